/**
 * Describes copies of records under new keys: what an application has to say of them, and what holds where it says nothing.
 *
 * @module
 */

import { checkDefinition } from "../../check_options.ts";
import { plain } from "../../plain.ts";
import type { Binary } from "../binary.ts";
import type { Facts } from "../facts.ts";
import { checkNames } from "../transform/change.ts";
import { withCheckedAnswers } from "./answers.ts";
import type { CopyChange, Destination } from "./change.ts";

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

/**
 * Describes copies of records under new keys, with their TTL, never over an existing record. The originals stay until
 * cleanup, which deletes each in the step that proves its copy.
 *
 * @param given Which keys are meant, and where each goes.
 * @returns The `change` of a {@linkcode RedisMigration}.
 * @throws {RegistryError} When a name is text beyond ASCII, a field is named twice, or something lacks or is of a wrong kind.
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
export function copyKeys(given: CopyRules): CopyChange {
  checkDefinition("copy", given, "what copyKeys() is given");
  const { fields, decide = () => "ask", questions = () => [], lookalikes, ...rest } = plain(given);
  const rules = {
    ...rest,
    fields: fields?.length ? fields : [""], // A server asked for no field at all would refuse; none is called so.
    decide,
    questions,
    ...(lookalikes === undefined ? {} : { lookalikes: plain(lookalikes) }),
  };
  checkNames(rules);
  return { ...withCheckedAnswers(rules), type: "copy" };
}
