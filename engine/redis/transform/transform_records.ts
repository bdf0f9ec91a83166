/**
 * A pattern for migrations that change hashes in place: which keys, which fields to read, and a pure function from these
 * to the fields to set.
 *
 * @module
 */

import { RegistryError } from "../../errors.ts";
import { type Binary, decodeText, display } from "../binary.ts";
import { readFields, type Values } from "../bulk_reads.ts";
import { readFacts } from "../facts.ts";
import { type FieldWrite, writeFields } from "./field_writes.ts";
import { anyLookalike } from "../copy/lookalikes.ts";
import type { ReadContext, VerifyContext, WriteContext } from "../context.ts";
import type { BatchSize } from "../walk/pacing.ts";
import { chooseSample, sampleOf } from "../walk/sample.ts";
import type { RedisStore } from "../store.ts";
import type { TransformSpec } from "./transform_spec.ts";
import { walk } from "../walk/walk.ts";

/** An in-place migration, ready to be planned, applied and verified. */
export interface TransformPattern extends TransformSpec {
  /** Tells it from other patterns. */
  readonly type: "transform";
  /** Changes every record that needs it. */
  apply(context: WriteContext): Promise<void>;
  /** Looks for records that still need a change. */
  verify(context: VerifyContext): Promise<void>;
}

/** A record that changes again and again is read again this often before it counts as failed. */
const ATTEMPTS = 50;

/**
 * Builds a migration that changes hashes in place. Each write is conditional on the fields that were read, keeps the
 * TTL, and never creates a record.
 *
 * @param spec Which keys are meant, and what becomes of their fields.
 * @returns What a {@linkcode RedisMigration} is made of.
 * @throws {RegistryError} When it reads no field: then it could never find anything to change. When a name is text beyond
 * ASCII.
 * @example Addresses in lower case
 * ```ts
 * import { createRegistry, decodeText, encodeText, type RedisMigration, transformRecords } from "@outpost/migrate";
 *
 * const pattern = transformRecords({
 *   pattern: "user:*",
 *   fields: ["email"],
 *   kindOf: (key) => key.startsWith("user:") ? "users" : null,
 *   change(_kind, [email = null]) {
 *     const address = email === null ? null : decodeText(email);
 *     if (address === null) return null;
 *     const lower = encodeText(address.toLowerCase());
 *     return lower === email ? null : ["email", lower];
 *   },
 *   groupOf: (key) => key,
 * });
 *
 * const emails: RedisMigration = {
 *   name: "001_emails",
 *   version: 1,
 *   description: "Addresses in lower case",
 *   isApplicable: () => null,
 *   plan: () => pattern,
 *   apply: pattern.apply,
 *   verify: pattern.verify,
 * };
 * createRegistry({ redis: [emails] });
 * ```
 */
export function transformRecords(spec: TransformSpec): TransformPattern {
  if (spec.fields.length === 0) {
    throw new RegistryError(`Cannot transform the records "${spec.pattern}": no field is named to read`);
  }
  checkNames(spec);
  return {
    ...spec,
    type: "transform",
    async apply(context) {
      const others = await findLookalikes(spec, context);
      await walk(context.store, {
        ...context,
        pattern: spec.pattern,
        visit: (keys, size) => transform(spec, context, others, keys, size),
      });
    },
    async verify(context) {
      const others = await findLookalikes(spec, context);
      const check = (keys: readonly Binary[]) => checkRecords(spec, context, others, keys);
      if (context.sample === undefined) {
        await walk(context.store, { ...context, pattern: spec.pattern, visit: check });
      } else {
        const sample = chooseSample(context.sample, spec.groupOf);
        await walk(context.store, { ...context, pattern: spec.pattern, visit: sample.visit });
        for (const keys of sampleOf(sample)) await check(keys);
      }
    },
  };
}

/**
 * Names beyond ASCII have to be given as they are stored; as text they would match nothing, and nobody would notice.
 *
 * @throws {RegistryError} When one is text.
 */
export function checkNames({ pattern, fields }: Pick<TransformSpec, "pattern" | "fields">): void {
  const text = [pattern, ...fields].find((name) => decodeText(name) === null);
  if (text === undefined) return;
  throw new RegistryError(
    `Cannot read "${text}" of Redis: it is text, encodeText() makes the bytes that are stored of it`,
  );
}

/** True when there are records of another kind with keys of this form. */
export async function findLookalikes({ lookalikes }: TransformSpec, context: ReadContext): Promise<boolean> {
  return lookalikes !== undefined && await anyLookalike(lookalikes, context);
}

/** The keys of a batch that have to be read. */
export function candidates(spec: TransformSpec, keys: readonly Binary[]): readonly Binary[] {
  return spec.mayBe === undefined ? keys : keys.filter((key) => spec.mayBe!(key));
}

/** Which keys of a batch are meant, by index, and of which kind: null for those to leave alone. */
export async function kindsOf(
  spec: TransformSpec,
  store: RedisStore,
  others: boolean,
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
): Promise<(string | null)[]> {
  const kinds = keys.map((key, i) => rows[i] ? spec.kindOf(key, rows[i]) : null);
  if (!others || spec.lookalikes === undefined) return kinds;
  const { questions, isOther, fields } = spec.lookalikes;
  const asked = keys.flatMap((key, i) => kinds[i] === null ? [] : questions(key, rows[i]!));
  const facts = await readFacts(store, asked, fields);
  const known = (key: Binary) => facts.get(key) ?? { type: "none", values: fields.map(() => null) };
  return kinds.map((kind, i) => kind !== null && isOther(keys[i]!, rows[i]!, known) ? null : kind);
}

/** Converts one batch; what changes meanwhile is read again. */
async function transform(
  spec: TransformSpec,
  context: WriteContext,
  others: boolean,
  batch: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const { store, tally } = context;
  let keys = candidates(spec, batch);
  for (let attempt = 1; keys.length > 0; attempt++) {
    const rows = await size.measure("read", keys.length, () => readFields(store, keys, spec.fields), bytesOf);
    const kinds = await kindsOf(spec, store, others, keys, rows);
    const todo = decide(spec, context, keys, rows, kinds);
    if (todo.length === 0) return;
    const results = await size.measure("write", todo.length, () => writeFields(context, spec.fields, todo));
    const again: Binary[] = [];
    todo.forEach(({ key }, i) => {
      if (results[i] === "1") {
        tally.processed++;
        tally.recover(key);
      } else if (results[i] === "0") again.push(key); // A record that is gone, "-", stays gone.
    });
    if (attempt === ATTEMPTS) {
      for (const key of again) tally.fail(key, "it changed each time before it could be written");
      return;
    }
    keys = again;
  }
}

function bytesOf(rows: readonly (Values | null)[]): number {
  let sum = 0;
  for (const row of rows) for (const value of row ?? []) sum += value?.length ?? 0;
  return sum;
}

/** Counts what needs nothing or cannot be converted. @returns What is to be written. */
function decide(
  spec: TransformSpec,
  { tally, skipInvalid }: WriteContext,
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
  kinds: readonly (string | null)[],
): FieldWrite[] {
  const todo: FieldWrite[] = [];
  for (let index = 0; index < keys.length; index++) {
    const kind = kinds[index];
    if (kind === null || kind === undefined) continue;
    const [key, values] = [keys[index]!, rows[index]!];
    const changes = spec.change(kind, values);
    if (changes === "invalid") {
      if (skipInvalid) {
        tally.invalid++;
        tally.skipped++;
        tally.note(`${display(key)}: left as it is, it cannot be converted`);
      } else tally.fail(key, "it cannot be converted");
    } else if (changes === null) {
      tally.skipped++;
      tally.recover(key);
    } else todo.push({ key, values, changes });
  }
  return todo;
}

/** Looks at a batch for records that would still be changed. */
async function checkRecords(
  spec: TransformSpec,
  { store, report }: VerifyContext,
  others: boolean,
  batch: readonly Binary[],
): Promise<void> {
  const keys = candidates(spec, batch);
  const rows = await readFields(store, keys, spec.fields);
  const kinds = await kindsOf(spec, store, others, keys, rows);
  kinds.forEach((kind, i) => {
    if (kind === null) return;
    const changes = spec.change(kind, rows[i]!);
    if (changes === null) report.pass();
    else {
      report.fail(
        `${display(keys[i]!)}: ${changes === "invalid" ? "it cannot be converted" : "it is not converted"}`,
      );
    }
  });
}
