/**
 * Where the bookkeeping of Redis stands: the names of its keys, and those of older tools.
 *
 * @module
 */

/** An older place where a migration's state may stand. */
export interface OlderState {
  /** A key of its own, or one that several migrations share. */
  readonly key: string;
  /**
   * - `hash`: as today, under another name.
   * - `phase`: a string of JSON or a hash, whose field `phase` is one of `donePhases` when the migration was applied.
   * - `version`: a number; the migrations up to it were applied.
   */
  readonly form: "hash" | "phase" | "version";
}

/** The names of keys that the bookkeeping uses, and which keys tell that an installation is in use. */
export interface RedisLayout {
  /** Tells this deployment from another in the same Redis; may be empty. */
  readonly deployment: string;
  /** Key of the hash that holds the state of a migration, such as `shop:migration:002_timestamps`. */
  stateKey(name: string): string;
  /** Older places where its state may stand, the one that holds first in front; empty for none. */
  olderStates(name: string): readonly OlderState[];
  /**
   * Where an older tool, which called everything applied, told how a run went: hashes whose field `failed` counts the records that
   * could not be done. Such a tool wrote `applied_at` in Unix seconds. Without it nothing is looked for.
   *
   * @param name Of the migration.
   * @param key Of the hash that calls it applied.
   * @param seconds When, in Unix seconds.
   */
  runKeys?(name: string, key: string, seconds: number): readonly string[];
  /** Phases of the form `phase` after which a migration counts as applied; empty without that form. */
  readonly donePhases: readonly string[];
  /** What the keys begin with that a used installation has, such as `shop:`. */
  readonly usedPrefixes: readonly string[];
  /** True for a key with such a beginning that also stands on a fresh installation, such as a lock. */
  isIgnored(key: string): boolean;
}
