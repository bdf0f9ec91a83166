/**
 * A pattern for migrations that give records new names: a pure function from a key, and what needs to be known of the
 * record, to the key of its copy. The originals stay until cleanup.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import { cleanUp, countOriginals } from "./cleanup.ts";
import { copyAcrossNodes } from "./across_nodes.ts";
import { copyOnServer } from "./on_server.ts";
import { readContents } from "./content.ts";
import type { CopyRules, CopySpec } from "./copy_spec.ts";
import { judgePairs, type ReadPair } from "./judgement.ts";
import { findPairs, hasLookalikes } from "./pairs.ts";
import type { CleanupReport, ReadContext, VerifyContext, WriteContext } from "../context.ts";
import { BatchSize, ReplyClock } from "../walk/pacing.ts";
import { chooseSample, sampleOf } from "../walk/sample.ts";
import { checkNames } from "../transform/transform_records.ts";
import { walk } from "../walk/walk.ts";

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
