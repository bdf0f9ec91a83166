/**
 * What the work on records is given: the store, how to go about it, and who counts.
 *
 * @module
 */

import type { Fence } from "../lock/lock.ts";
import type { Pace } from "../migration.ts";
import type { Binary } from "./binary.ts";
import type { RedisStore } from "./store.ts";
import type { TransformChange } from "./transform/change.ts";
import type { Tally } from "./walk/tally.ts";

/** What decides about the records of a migration, however it is gone about. */
export interface RecordRules {
  /** The server or the cluster. */
  readonly store: RedisStore;
  /** The in-place migrations that come after this one: what they change in a copy is no difference. */
  readonly later: readonly TransformChange[];
  /** When the first run of the migration began, by the server's clock; null when that is not known. */
  readonly beganAt: Date | null;
  /** When the last run of it began that could do everything; null while there was none. */
  readonly doneSince: Date | null;
  /** When it was applied by the word of others, who prove nothing of any record; undefined where this tool did it, or nobody. */
  readonly toldAt?: Date | undefined;
}

/** What reading over the keyspace works with. */
export interface ReadContext extends RecordRules, Pace {
  /** Stops before the next batch. */
  readonly signal: AbortSignal;
  /** Told of how far the walk is, 0 to 1. */
  readonly onStep?: (share: number) => void;
}

/** A change in place that a run makes, or that was made before it. */
export interface Conversion {
  readonly change: TransformChange;
  /** Counts what became of the records; null for a migration that is applied already. */
  readonly tally: Tally | null;
}

/** What writing works with. */
export interface WriteContext extends ReadContext {
  /** Proof of the lock, for every script that writes. */
  readonly fence: Fence | undefined;
  /** Counts what became of the records. */
  readonly tally: Tally;
  /** The changes among `later` that are applied, or that this run makes before it: copies that are made now have to be changed too. */
  readonly converted: readonly Conversion[];
  /** What the names of keys begin with that mark copies which are not proven yet. */
  readonly markers: Binary;
}

/** What a run works with that makes copies. */
export interface CopyContext extends WriteContext {
  /** True for a record that a migration before this one could not convert: it is not to be copied as it is. */
  readonly isHeld: (key: Binary) => boolean;
  /** True when the run before this one did not come to its end. */
  readonly unfinished: boolean;
  /** Records that cannot be converted are accepted: noted, and left as they are. */
  readonly skipInvalid: boolean;
}
