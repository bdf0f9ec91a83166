/**
 * A change of hashes in place, as data: which keys, which fields to read, and a pure function from these to the fields to
 * set.
 *
 * @module
 */

import { checkDefinition } from "../../check_options.ts";
import { RegistryError } from "../../errors.ts";
import { plain } from "../../plain.ts";
import { asked } from "../asked.ts";
import { type Binary, decodeText, display, isBytes } from "../binary.ts";
import type { Values } from "../bulk_reads.ts";
import type { Facts } from "../facts.ts";
import type { GroupKeys } from "../walk/grouping.ts";
import { matcherOf } from "../walk/pattern.ts";

/** A record that cannot be converted, and the field of it that keeps it from being so. */
export interface Inconvertible {
  /** One of the fields that are read. */
  readonly invalid: Binary;
}

/** Fields to set, each followed by its value, as bytes; null for nothing to do; or why a record cannot be converted. */
export type Changes = readonly string[] | null | Inconvertible;

/** True for a record that cannot be converted. */
export function isInconvertible(changes: Changes): changes is Inconvertible {
  return changes !== null && "invalid" in changes;
}

/** What a change makes of a record, whether or not it means that. */
export function changesOf(change: TransformChange, key: Binary, values: Values): Changes {
  const kind = change.kindOf(key, values);
  return kind === null ? null : change.change(kind, values);
}

/** Of a long value so many characters are shown. */
const SHOWN = 200;

/** The field that cannot be converted and what is in it, for people. */
export function invalidValue(
  { fields }: Pick<TransformRules, "fields">,
  values: Values,
  { invalid }: Inconvertible,
): { readonly field: string; readonly value: string } {
  const value = display(values[fields.indexOf(invalid)] ?? "");
  return { field: display(invalid), value: value.length > SHOWN ? `${value.slice(0, SHOWN)}...` : value };
}

/** Why a record cannot be converted, for people. */
export function whyNot(
  change: Pick<TransformRules, "fields">,
  values: Values,
  inconvertible: Inconvertible,
): string {
  const { field, value } = invalidValue(change, values, inconvertible);
  return `it cannot be converted: ${field} is "${value}"`;
}

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

/** What an in-place change says of itself. */
export interface TransformRules {
  /** SCAN pattern of the keys. More may match than are meant: `kindOf` decides. */
  readonly pattern: Binary;
  /** False for keys that need not be read: they cannot be meant, whatever they hold. @default all may be */
  mayBe?(key: Binary): boolean;
  /** The fields to read. Nothing else may decide what is set, since only these are compared before the write. */
  readonly fields: readonly Binary[];
  /**
   * What kind of record this is, as counted by `plan`; null for a key that is none of them. It is asked about keys that `pattern`
   * matches alone, those among them that an earlier migration is about to create too.
   */
  kindOf(key: Binary, values: Values): string | null;
  /** Pure: the same values always give the same changes, and changed values give null. */
  change(kind: string, values: Values): Changes;
  /** The part of a key by which records are drawn together into a sample, such as the tenant. */
  groupOf(key: Binary): Binary;
  /** Where the records of such a group are. Without it a sample of many keys is of single records. */
  keysOf?(group: Binary): GroupKeys;
  /** Records of another kind that a key alone cannot tell from these. */
  readonly lookalikes?: Lookalikes | undefined;
}

/** A change in place, checked. */
export interface TransformChange extends TransformRules {
  /** Tells it from other changes. */
  readonly type: "transform";
}

/**
 * Describes a change of hashes in place. Each write is conditional on the fields that were read, keeps the TTLs, and never
 * creates a record.
 *
 * @param given Which keys are meant, and what becomes of their fields.
 * @returns The `change` of a {@linkcode RedisMigration}.
 * @throws {RegistryError} When it reads no field: then it could never find anything to change. When a name is text beyond
 * ASCII, a field is named twice, or something lacks or is of a wrong kind.
 * @example Addresses in lower case
 * ```ts
 * import { createRegistry, decodeText, encodeText, type RedisMigration, transformRecords } from "@outpost/migrate";
 *
 * const emails: RedisMigration = {
 *   name: "001_emails",
 *   version: 1,
 *   description: "Addresses in lower case",
 *   change: transformRecords({
 *     pattern: "user:*",
 *     fields: ["email"],
 *     kindOf: (key) => key.startsWith("user:") ? "users" : null,
 *     change(_kind, [email = null]) {
 *       const address = email === null ? null : decodeText(email);
 *       if (address === null) return null;
 *       const lower = encodeText(address.toLowerCase());
 *       return lower === email ? null : ["email", lower];
 *     },
 *     groupOf: (key) => key,
 *   }),
 * };
 * createRegistry({ redis: [emails] });
 * ```
 */
export function transformRecords(given: TransformRules): TransformChange {
  checkDefinition("transform", given, "what transformRecords() is given");
  const rules = plain(given);
  if (rules.fields.length === 0) {
    throw new RegistryError(`Cannot transform the records "${rules.pattern}": no field is named to read`);
  }
  checkNames(rules);
  const isFound = matcherOf(rules.pattern);
  return {
    ...rules,
    ...(rules.lookalikes === undefined ? {} : { lookalikes: plain(rules.lookalikes) }),
    type: "transform",
    kindOf: (key, values) =>
      isFound(key) ? asked("kindOf", rules, key, () => rules.kindOf(key, values)) ?? null : null,
    change: (kind, values) => asked("change", rules, null, () => checked(rules, rules.change(kind, values))),
  };
}

/** @throws {RegistryError} When it is none of what a change may answer. */
function checked({ pattern, fields }: TransformRules, changes: Changes): Changes {
  const fault = faultOf(changes, fields);
  if (fault === null) return changes;
  throw new RegistryError(`Cannot go by change() of the records "${display(pattern)}": ${fault}`, {
    hint:
      "It has to answer fields, each followed by its value, as bytes; null for nothing to do; or which field is invalid",
  });
}

function faultOf(answer: unknown, fields: readonly Binary[]): string | null {
  if (answer === null) return null;
  if (!Array.isArray(answer)) {
    const { invalid } = (answer ?? {}) as { invalid?: unknown };
    if (typeof invalid !== "string") return `it answered ${typeof answer}`;
    return fields.includes(invalid) ? null : `it calls "${display(invalid)}" invalid, which it does not read`;
  }
  if (!answer.every((part) => typeof part === "string")) return "it sets what is no string";
  if (answer.length % 2 === 1) return `it sets "${display(answer.at(-1)!)}" to no value`;
  return answer.every(isBytes) ? null : "it sets text, encodeText() makes the bytes that are stored of it";
}

/**
 * Names beyond ASCII have to be given as they are stored; as text they would match nothing, and nobody would notice. A field is read
 * once.
 *
 * @throws {RegistryError} When one is text, or a field is named twice.
 */
export function checkNames({ pattern, fields }: Pick<TransformRules, "pattern" | "fields">): void {
  const text = [pattern, ...fields].find((name) => decodeText(name) === null);
  if (text !== undefined) {
    throw new RegistryError(
      `Cannot read "${text}" of Redis: it is text, encodeText() makes the bytes that are stored of it`,
    );
  }
  const twice = fields.find((field, i) => fields.indexOf(field) !== i);
  if (twice === undefined) return;
  throw new RegistryError(`Cannot read the records "${pattern}": the field "${twice}" is named twice`);
}
