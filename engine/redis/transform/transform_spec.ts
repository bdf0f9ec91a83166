/**
 * What an in-place migration says of itself: which keys, which fields, and what becomes of them.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { Facts } from "../facts.ts";

/** Fields to set, each followed by its value, as bytes; null for nothing to do; `invalid` for a record that cannot be converted. */
export type Changes = readonly string[] | null | "invalid";

/** Records of another kind whose keys look the same. They are searched for once; only if there are any, each is asked. */
export interface Lookalikes {
  /** SCAN pattern of the records that give them away. */
  readonly pattern: Binary;
  /** Fields to read of those, and of the records asked about. */
  readonly fields: readonly Binary[];
  /** True for a record that gives lookalikes away. */
  isOne(key: Binary, facts: Facts): boolean;
  /** The records to know of before a key can be judged. */
  questions(key: Binary, values: Values): readonly Binary[];
  /** True when a key is a lookalike, to be left alone. */
  isOther(key: Binary, values: Values, known: (key: Binary) => Facts): boolean;
}

/** What an in-place migration says of itself. */
export interface TransformSpec {
  /** SCAN pattern of the keys. More may match than are meant: `kindOf` decides. */
  readonly pattern: Binary;
  /** False for keys that need not be read: they cannot be meant, whatever they hold. @default all may be */
  mayBe?(key: Binary): boolean;
  /** The fields to read. Nothing else may decide what is set, since only these are compared before the write. */
  readonly fields: readonly Binary[];
  /**
   * What kind of record this is, as counted by `plan`; null for a key that is none of them. It is asked about keys outside
   * of `pattern` too: those that an earlier migration is about to create.
   */
  kindOf(key: Binary, values: Values): string | null;
  /** Pure: the same values always give the same changes, and changed values give null. */
  change(kind: string, values: Values): Changes;
  /** The part of a key by which records are drawn together into a sample, such as the tenant. */
  groupOf(key: Binary): Binary;
  /** Records of another kind that a key alone cannot tell from these. */
  readonly lookalikes?: Lookalikes | undefined;
}
