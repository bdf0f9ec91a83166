/**
 * A change that gives records new names, as data: a pure function from a key, and what needs to be known of the record, to
 * the key of its copy. The originals stay until cleanup.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { Facts } from "../facts.ts";
import type { Lookalikes } from "../transform/change.ts";
import type { GroupKeys } from "../walk/grouping.ts";

/** Where a record goes. */
export interface Destination {
  /**
   * Key of the copy. What goes where it is already has none, and is left alone. A copy must not be an original itself, nor two originals
   * go to one key: the first is copied, and the others differ from it.
   */
  readonly target: Binary;
  /** What kind of record it is, as counted by `plan`. */
  readonly kind: string;
  /** True where the same key could as well be a current record, or another tenant's: it is copied, but never deleted. */
  readonly ambiguous?: boolean;
}

/** All that a copying change can say of itself. */
export interface CopyChange {
  /** Tells it from other changes. */
  readonly type: "copy";
  /** SCAN pattern of the keys. More may match than are meant. */
  readonly pattern: Binary;
  /**
   * SCAN pattern of keys among which all copies are, and few originals: these are looked at before anything is copied, and no copy
   * is looked at that a run makes. Without it they may be.
   */
  readonly amongCopies?: Binary | undefined;
  /** The fields that decide. */
  readonly fields: readonly Binary[];
  /**
   * Decides by the record's own fields: where it goes, `null` for a key to leave alone, or `ask` when others decide. Without
   * lookalikes it may leave alone other keys too; what it does not leave alone it decides in the same way.
   */
  decide(key: Binary, values: Values | null, lookalikes: boolean): Destination | null | "ask";
  /**
   * The key of the copy that a record most likely has, by its own key alone; null for no guess. Where it is right, the two are read
   * together when they are compared. Pure.
   */
  likely?(key: Binary): Binary | null;
  /** Other records to know of before a key can be judged. */
  questions(key: Binary, facts: Facts): readonly Binary[];
  /** Decides by what is known of others. */
  judge(key: Binary, facts: Facts, known: (key: Binary) => Facts): Destination | null;
  /** The part of a key by which records are drawn together into a sample; null for keys that are hardly originals. */
  groupOf(key: Binary): Binary | null;
  /** Where the records of such a group are. Without it a sample of many keys is of single records. */
  keysOf?(group: Binary): GroupKeys;
  /**
   * Fields that tell when a record was last changed, in either form of times. Without any, nothing tells a newer record from
   * one that is otherwise different.
   */
  readonly times?: readonly Binary[] | undefined;
  /**
   * True where no two originals can go to one key, and applications may have written under new names before the first run: what differs
   * from its original then counts as changed later by the times that both bear. Otherwise only a time since that run began tells so,
   * for what was there before may be the copy of another record. @default false
   */
  readonly oneToOne?: boolean | undefined;
  /** The one of them that tells that a record was deleted, and when. */
  readonly deletedAt?: Binary | undefined;
  /**
   * Times that the application takes away from a record that it goes on using, such as by enabling it; each with the time that
   * the same write sets, and that has to be later. A copy that lacks any other field of its original is none that was changed later.
   */
  readonly takenAway?: ReadonlyMap<Binary, Binary> | undefined;
  /** Fields whose values are shown to nobody. */
  readonly secrets?: readonly Binary[] | undefined;
  /** For hashes that list other records and bear no time of their own: what they list, and whom they belong to. */
  readonly lists?: Lists | undefined;
  /** Records that make current keys look like old ones; searched for once. */
  readonly lookalikes?: Pick<Lookalikes, "pattern" | "isOne"> | undefined;
}

/** The two forms of one record. */
export interface BothKeys {
  /** Key of the original. */
  readonly source: Binary;
  /** Key of the copy. */
  readonly target: Binary;
}

/** A list, as it was found, and its kind as `judge` or `decide` told. */
export interface ListKeys extends BothKeys {
  /** What kind of record it is. */
  readonly kind: string;
}

/** How lists hang together with other records. Pure. */
export interface Lists {
  /** The record that a field of a list stands for; null where the hash is no list. */
  recordOf(list: ListKeys, field: Binary): BothKeys | null;
  /** The record that a list belongs to; null where the hash is no list. */
  ownerOf(list: ListKeys): BothKeys | null;
  /** The list that a key is the copy of; null where it is none, or could be something else. */
  ofCopy(key: Binary): ListKeys | null;
}
