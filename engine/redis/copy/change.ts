/**
 * A change that gives records new names, as data: a pure function from a key, and what needs to be known of the record, to
 * the key of its copy. The originals stay until cleanup.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { Facts } from "../facts.ts";
import { checkNames, type Lookalikes } from "../transform/change.ts";
import type { GroupKeys } from "../walk/grouping.ts";

/** Where a record goes. */
export interface Destination {
  /** Key of the copy. What goes where it is already has none, and is left alone. */
  readonly target: Binary;
  /** What kind of record it is, as counted by `plan`. */
  readonly kind: string;
  /** True where the same key could as well be a current record, or another tenant's: it is copied, but never deleted. */
  readonly ambiguous?: boolean;
}

/** What a copying change has to say of itself. The rest of {@linkcode CopyChange} saves it work, or asks for more. */
export interface CopyRules extends Partial<Omit<CopyChange, "type">> {
  /** SCAN pattern of the keys. More may match than are meant: `judge` decides. */
  readonly pattern: Binary;
  /**
   * Decides by what is known of a record, of whatever type: where it goes, or null for a key to leave alone, such as a
   * copy. Pure.
   *
   * @param key The key.
   * @param facts Type and fields of its record.
   * @param known What is known of the records that `questions` named.
   */
  judge(key: Binary, facts: Facts, known: (key: Binary) => Facts): Destination | null;
  /** The part of a key by which records are drawn together into a sample; null for keys that are hardly originals. */
  groupOf(key: Binary): Binary | null;
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

/** A list, as it was found: the key of the original and of its copy, and its kind as `judge` or `decide` told. */
export interface ListKeys {
  /** Key of the original. */
  readonly source: Binary;
  /** Key of the copy. */
  readonly target: Binary;
  /** What kind of record it is. */
  readonly kind: string;
}

/** The two forms of one record. */
export interface BothKeys {
  /** Key of the original. */
  readonly source: Binary;
  /** Key of the copy. */
  readonly target: Binary;
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

/** What holds where a change says nothing: each record is looked at, and no other decides about it. */
const EACH_BY_ITSELF: Pick<CopyChange, "fields" | "decide" | "questions"> = {
  fields: [""], // A server asked for no field at all would refuse; none is called so.
  decide: () => "ask",
  questions: () => [],
};

/**
 * Describes copies of records under new keys, with their TTL, never over an existing record. The originals stay until
 * cleanup, which deletes each in the step that proves its copy.
 *
 * @param rules Which keys are meant, and where each goes.
 * @returns The `change` of a {@linkcode RedisMigration}.
 * @throws {RegistryError} When a name is text beyond ASCII.
 * @example Lists of carts get a hash tag
 * ```ts
 * import { copyKeys, createRegistry, type RedisMigration } from "@outpost/migrate";
 *
 * const carts: RedisMigration = {
 *   name: "001_carts",
 *   version: 1,
 *   description: "Carts under keys with a hash tag",
 *   change: copyKeys({
 *     pattern: "cart:*",
 *     judge: (key, { type }) => {
 *       const id = key.slice("cart:".length);
 *       return type === "list" && !id.startsWith("{") ? { target: `cart:{${id}}`, kind: "carts" } : null;
 *     },
 *     groupOf: (key) => key,
 *   }),
 * };
 * createRegistry({ redis: [carts] });
 * ```
 */
export function copyKeys(rules: CopyRules): CopyChange {
  const change: CopyChange = { ...EACH_BY_ITSELF, ...rules, type: "copy" };
  checkNames(change);
  return change;
}
