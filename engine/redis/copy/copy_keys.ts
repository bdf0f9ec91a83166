/**
 * A pattern for migrations that give records new names: a pure function from a key, and what needs to be known of the
 * record, to the key of its copy. The originals stay until cleanup.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import { readFields } from "../bulk_reads.ts";
import { cleanUp, countOriginals } from "./cleanup.ts";
import { copyAcrossNodes } from "./across_nodes.ts";
import { copyOnServer } from "./on_server.ts";
import { readContents } from "./content.ts";
import { type Facts, readFacts } from "../facts.ts";
import { judgePairs, type ListedRecord, type ReadPair } from "./judgement.ts";
import { anyLookalike } from "./lookalikes.ts";
import type { CleanupReport, ReadContext, VerifyContext, WriteContext } from "../migration.ts";
import { BatchSize, ReplyClock } from "../walk/pacing.ts";
import { chooseSample, sampleOf } from "../walk/sample.ts";
import type { RedisStore } from "../store.ts";
import { checkNames, type Lookalikes, type Values } from "../transform/transform_records.ts";
import { walk } from "../walk/walk.ts";

/** Where a record goes. */
export interface Destination {
  /** Key of the copy. */
  readonly target: Binary;
  /** What kind of record it is, as counted by `plan`. */
  readonly kind: string;
  /** True where the same key could as well be a current record: it is copied, but never deleted. */
  readonly ambiguous?: boolean;
}

/** A guess from the key alone, with what must hold of the record: checked in the server, in the step that copies. */
export interface Guess extends Destination {
  /** For each field `+value`, `-` for none or `*` for any. The record is a hash. */
  readonly expect: readonly string[];
}

/** What a copying migration has to say of itself. The rest of {@linkcode CopySpec} saves it work, or asks for more. */
export interface CopyRules extends Partial<CopySpec> {
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

/** All that a copying migration can say of itself. */
export interface CopySpec {
  /** SCAN pattern of the keys. More may match than are meant. */
  readonly pattern: Binary;
  /** The fields that decide. */
  readonly fields: readonly Binary[];
  /** For keys that can mean one thing only, if the record is as expected; null for all others. */
  guess(key: Binary): Guess | null;
  /** Decides by the record's own fields: where it goes, `null` for a key to leave alone, or `ask` when others decide. */
  decide(key: Binary, values: Values | null, lookalikes: boolean): Destination | null | "ask";
  /** Other records to know of before a key can be judged. */
  questions(key: Binary, facts: Facts): readonly Binary[];
  /** Decides by what is known of others. */
  judge(key: Binary, facts: Facts, known: (key: Binary) => Facts): Destination | null;
  /** The part of a key by which records are drawn together into a sample; null for keys that are hardly originals. */
  groupOf(key: Binary): Binary | null;
  /** For hashes that list other records and bear no time of their own: the record that a field stands for. */
  readonly listed?: ListedRecord | undefined;
  /** Records that make current keys look like old ones; searched for once. */
  readonly lookalikes?: Pick<Lookalikes, "pattern" | "isOne"> | undefined;
}

/** A copying migration, ready to be planned, applied, verified and cleaned up. */
export interface CopyPattern extends CopySpec {
  /** Tells it from other patterns. */
  readonly type: "copy";
  /** Copies what is not there yet; deletes nothing. */
  apply(context: WriteContext): Promise<void>;
  /** Compares originals with their copies. */
  verify(context: VerifyContext): Promise<void>;
  /** Counts the originals. Reads only. */
  planCleanup(context: ReadContext): Promise<number>;
  /** Deletes originals, each in the step that proves its copy. */
  cleanup(context: WriteContext): Promise<CleanupReport>;
}

/** An original with the key of its copy. */
export interface Pair extends Destination {
  readonly source: Binary;
  /** Type of the original. */
  readonly type: string;
  /** The fields that decided. */
  readonly values: Values;
}

/** What holds where a migration says nothing: each record is looked at, and no other decides about it. */
const EACH_BY_ITSELF: Pick<CopySpec, "fields" | "guess" | "decide" | "questions"> = {
  fields: [""], // A server asked for no field at all would refuse; none is called so.
  guess: () => null,
  decide: () => "ask",
  questions: () => [],
};

/**
 * Builds a migration that copies records to new keys, with their TTL, never over an existing record. The originals stay
 * until cleanup, which deletes each in the step that proves its copy.
 *
 * @param rules Which keys are meant, and where each goes.
 * @returns What a {@linkcode RedisMigration} is made of.
 * @example Lists of carts get a hash tag
 * ```ts
 * import { copyKeys, createRegistry, type RedisMigration } from "@outpost/migrate";
 *
 * const pattern = copyKeys({
 *   pattern: "cart:*",
 *   judge: (key, { type }) => {
 *     const id = key.slice("cart:".length);
 *     return type === "list" && !id.startsWith("{") ? { target: `cart:{${id}}`, kind: "carts" } : null;
 *   },
 *   groupOf: (key) => key,
 * });
 *
 * const carts: RedisMigration = {
 *   name: "001_carts",
 *   version: 1,
 *   description: "Carts under keys with a hash tag",
 *   isApplicable: () => null,
 *   plan: () => pattern,
 *   apply: pattern.apply,
 *   verify: pattern.verify,
 *   cleanup: pattern.cleanup,
 *   planCleanup: pattern.planCleanup,
 * };
 * createRegistry({ redis: [carts] });
 * ```
 */
export function copyKeys(rules: CopyRules): CopyPattern {
  const spec: CopySpec = { ...EACH_BY_ITSELF, ...rules };
  checkNames(spec);
  return {
    ...spec,
    type: "copy",
    async apply(context) {
      const lookalikes = await hasLookalikes(spec, context);
      const copy = context.store.clustered ? copyAcrossNodes : copyOnServer;
      await walk(context.store, {
        ...context,
        pattern: spec.pattern,
        visit: (keys, size) => copy(spec, context, lookalikes, keys, size),
      });
    },
    async verify(context) {
      const lookalikes = await hasLookalikes(spec, context);
      const check = (keys: readonly Binary[], size: BatchSize) =>
        checkCopies(spec, context, lookalikes, keys, size);
      if (context.sample === undefined) {
        await walk(context.store, { ...context, pattern: spec.pattern, visit: check });
      } else {
        const sample = chooseSample(context.sample, spec.groupOf);
        await walk(context.store, { ...context, pattern: spec.pattern, visit: sample.visit });
        for (const keys of sampleOf(sample)) await check(keys, new BatchSize(new ReplyClock(), "records"));
      }
    },
    planCleanup: (context) => countOriginals(spec, context),
    cleanup: (context) => cleanUp(spec, context),
  };
}

/** True when some keys can only be told apart by asking other records. */
export async function hasLookalikes(spec: CopySpec, context: ReadContext): Promise<boolean> {
  const { lookalikes, fields } = spec;
  return lookalikes !== undefined && await anyLookalike({ ...lookalikes, fields }, context);
}

/** Finds out what the keys of a batch are. @returns The originals among them. */
export async function findPairs(
  spec: CopySpec,
  store: RedisStore,
  lookalikes: boolean,
  keys: readonly Binary[],
): Promise<Pair[]> {
  const rows = await readFields(store, keys, spec.fields);
  const pairs: Pair[] = [];
  const undecided: Binary[] = [];
  keys.forEach((source, i) => {
    const values = rows[i] ?? null;
    const guess = values === null ? null : spec.guess(source);
    const destination = guess !== null && values !== null && fits(guess.expect, values)
      ? guess
      : spec.decide(source, values, lookalikes);
    if (destination === "ask") undecided.push(source);
    else if (destination !== null) pairs.push({ ...destination, source, type: "hash", values: values! });
  });
  return undecided.length === 0 ? pairs : [...pairs, ...await askOthers(spec, store, undecided)];
}

/** True when a record's fields are as a guess expects. */
function fits(expect: readonly string[], values: Values): boolean {
  return expect.every((want, j) => want === "*" || want === (values[j] === null ? "-" : `+${values[j]}`));
}

async function askOthers(spec: CopySpec, store: RedisStore, keys: readonly Binary[]): Promise<Pair[]> {
  const own = await readFacts(store, keys, spec.fields);
  const asked = keys.flatMap((key) =>
    own.get(key)!.type === "none" ? [] : spec.questions(key, own.get(key)!)
  );
  const others = await readFacts(store, asked, spec.fields);
  const none: Facts = { type: "none", values: spec.fields.map(() => null) };
  return keys.flatMap((source) => {
    const facts = own.get(source)!;
    if (facts.type === "none") return [];
    const destination = spec.judge(source, facts, (key) => others.get(key) ?? none);
    return destination === null ? [] : [{ ...destination, source, ...facts }];
  });
}

/** Compares the originals of a batch with their copies. */
async function checkCopies(
  spec: CopySpec,
  { store, report, later }: VerifyContext,
  lookalikes: boolean,
  keys: readonly Binary[],
  size: BatchSize,
): Promise<void> {
  const pairs = await findPairs(spec, store, lookalikes, keys);
  const contents = await size.measure(
    "read",
    pairs.length,
    () =>
      readContents(store, pairs.flatMap(({ source, target }) => [source, target]), {
        types: pairs.flatMap(({ type }) => [type, type]),
        digests: false,
      }),
  );
  const read: ReadPair[] = [];
  pairs.forEach((pair, i) => {
    const [original, copy] = [contents[2 * i]!, contents[2 * i + 1]!];
    if (original === null) return;
    if (copy !== null) read.push({ pair, original, copy });
    else report.fail(`${display(pair.source)}: its copy ${display(pair.target)} is missing`);
  });
  const judgements = await judgePairs(store, read, later, spec.listed);
  judgements.forEach((judgement, i) => {
    const { source, target } = read[i]!.pair;
    if (judgement !== "different") report.pass();
    else report.fail(`${display(source)}: its copy ${display(target)} is different`);
  });
}
