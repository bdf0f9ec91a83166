/**
 * Settles pairs of which nobody but a person can tell which form is right: shows both, and writes the one chosen over the
 * other, only while both are what was shown.
 *
 * @module
 */

import type { KeptForm, RedisDifference, ResolveResult } from "../../redis_backend.ts";
import { slices } from "../../slices.ts";
import { type Binary, display, toArgument } from "../binary.ts";
import type { ReadContext, WriteContext } from "../context.ts";
import { isTooLong } from "../errors.ts";
import { lookAhead } from "../lookalikes.ts";
import { READ_PROOF, SETTLE } from "../scripts/settling.ts";
import { changesAfterCopy } from "../transform/convert_records.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange, ListKeys } from "./change.ts";
import { AMBIGUOUS } from "./cleanup_turn.ts";
import { prune } from "./dead_lists.ts";
import { show, stateOf } from "./difference.ts";
import { doWatched } from "./large.ts";
import { findNamed } from "./named.ts";
import { findContested, findPairs, type Pair } from "./pairs.ts";
import { findNeeded, tellsApart } from "./telling.ts";
import { faultOf, isUndecided, judged, type JudgedPair } from "./weigh.ts";
import { readWhole } from "./whole.ts";

/** Keys that are looked at together. */
const AT_ONCE = 100;
/** Differences that are told with their fields; of the others the keys alone. */
const SHOWN = 10;

/** What a person who knows whose it is can do: neither form may be written over the other. */
const BY_HAND = "if it is, move it to the new name of its own; if not, delete this one";

/**
 * Finds pairs to be settled.
 *
 * @param names Originals to look at, as they are shown; null for all of which nobody but a person can tell which form is right.
 * What is still to be copied is not among them: a choice of the copy would delete it.
 * @returns Those of `names` that are there, whether or not they differ; or all that differ.
 * @throws {RefusedError} When several originals are shown as one of the names.
 */
export async function findDifferences(
  id: string,
  change: CopyChange,
  context: ReadContext,
  names: readonly string[] | null,
): Promise<RedisDifference[]> {
  const { found: lookalikes } = await lookAhead([change], context);
  const keys = names === null ? null : await findNamed(id, change, context, lookalikes, names);
  const found: RedisDifference[] = [];
  const look = async (some: readonly Binary[]) => {
    const pairs = await findPairs(change, context.store, lookalikes, some);
    for await (const portion of judged(change, context, pairs)) {
      for (const one of portion) {
        const fault = faultOf(one.verdict, one.pair.target);
        if (keys === null && !isUndecided(one.verdict)) continue;
        if (found.some(({ source }) => source === one.pair.source)) continue; // SCAN may tell a key twice.
        // What another tool has copied in part is without copies for the most part: nobody has all of that in view.
        const deletable = keys !== null || context.doneSince !== null;
        found.push(show(change, one, fault, deletable, keys !== null || found.length < SHOWN));
      }
    }
  };
  if (keys === null) await walk(context.store, { ...context, pattern: change.pattern, visit: look });
  else for (const some of slices(keys, AT_ONCE)) await look(some);
  return found;
}

type Settlement = Omit<ResolveResult, "id">;

const ONLY_FORM =
  "left alone, it has no copy; apply --rerun copies it, and so does resolve that keeps the original; resolve, naming it, deletes it";

/**
 * Writes the form that is to hold over the other one. Originals that are to be deleted and by which others are known come last, and
 * stay while any of these is there.
 */
export async function settleDifferences(
  change: CopyChange,
  context: WriteContext,
  differences: readonly RedisDifference[],
  keep: KeptForm,
): Promise<Settlement> {
  const { found: lookalikes } = await lookAhead([change], context);
  const isOnly = ({ deletable }: RedisDifference) => keep === "copy" && !deletable;
  const only = differences.filter(isOnly);
  const chosen = differences.filter((one) => !isOnly(one));
  const telling = keep === "copy" && lookalikes
    ? await findTelling(change, context, chosen.filter(({ hasCopy }) => !hasCopy))
    : new Set<Binary>();
  const others = chosen.filter(({ source }) => !telling.has(source));
  const first = await settleSome(change, context, lookalikes, others, keep);
  const needed = await findNeeded(change, context, telling);
  const left = chosen.filter(({ source }) => needed.has(source));
  const last = chosen.filter(({ source }) => telling.has(source) && !needed.has(source));
  const then = await settleSome(change, context, lookalikes, last, keep);
  const why = "left alone, others are known by it that are still there; settle or clean up these first";
  return {
    resolved: first.resolved + then.resolved,
    issues: [
      ...first.issues,
      ...then.issues,
      ...left.map(({ key }) => `${key}: ${why}`),
      ...only.map(({ key }) => `${key}: ${ONLY_FORM}`),
    ],
  };
}

/** @returns The keys of those by which others are told apart. */
async function findTelling(
  change: CopyChange,
  { store }: WriteContext,
  differences: readonly RedisDifference[],
): Promise<Set<Binary>> {
  const telling = new Set<Binary>();
  for (const some of slices(differences, AT_ONCE)) {
    const pairs = await findPairs(change, store, true, some.map(({ source }) => source));
    for (const pair of pairs) if (tellsApart(change, pair)) telling.add(pair.source);
  }
  return telling;
}

async function settleSome(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
  differences: readonly RedisDifference[],
  keep: KeptForm,
): Promise<Settlement> {
  const issues: string[] = [];
  const copied: ListKeys[] = [];
  let resolved = 0;
  for (const batch of slices(differences, AT_ONCE)) {
    context.signal.throwIfAborted();
    const some = new Map(batch.map((one) => [one.source, one]));
    const found = await findPairs(change, context.store, lookalikes, [...some.keys()]);
    const contested = lookalikes ? await findContested(change, context.store, found) : new Set<Binary>();
    const isAnothers = ({ source, ambiguous }: Pair) =>
      contested.has(source) || (keep === "copy" && ambiguous === true);
    for (const { source, target } of found.filter(isAnothers)) {
      const why = contested.has(source) ? `${faultOf("contested", target)}: ${BY_HAND}` : AMBIGUOUS;
      issues.push(`${some.get(source)!.key}: left alone, ${why}`);
      some.delete(source);
    }
    const pairs = found.filter((pair) => !isAnothers(pair));
    const settled = new Set<Binary>();
    const refused: Settling[] = [];
    // Before they are judged: what is written in between is not what was shown.
    const proofs = await readProofs(context, pairs.flatMap(({ source, target }) => [source, target]));
    for await (const portion of judged(change, context, pairs)) {
      for (const one of portion) {
        const { source } = one.pair;
        const settling = { ...one, state: some.get(source)!.state, keep };
        if (stateOf(one) !== settling.state) continue;
        try {
          if (await write(change, context, settling, proofs)) settled.add(source);
          else refused.push(settling);
        } catch (error) {
          if (!isTooLong(error)) throw error;
          const where = display(keep === "original" ? one.pair.target : source);
          issues.push(
            `${
              display(source)
            }: left alone, the server of ${where} takes no such length (proto-max-bulk-len)`,
          );
          some.delete(source);
        }
      }
    }
    for (const source of await findSettled(change, context, refused)) settled.add(source);
    resolved += settled.size;
    if (keep === "original") copied.push(...pairs.filter(({ source }) => settled.has(source)));
    for (const { source, key } of some.values()) {
      if (!settled.has(source)) issues.push(`${key}: left alone, it has changed since it was shown`);
    }
  }
  // When all records are as chosen: what is deleted under its new name then is not to be listed.
  await prune(change, context, copied);
  return { resolved, issues };
}

/** A pair to settle, what was shown of it, and which form holds. */
type Settling = JudgedPair<ListKeys> & { readonly state: string; readonly keep: KeptForm };

/**
 * Tells which pairs are as they were to be, though that was refused: a client that loses an answer sends its command again, which then
 * finds what it has done.
 */
async function findSettled(
  change: CopyChange,
  context: WriteContext,
  refused: readonly Settling[],
): Promise<Set<Binary>> {
  const deleting = refused.filter(({ copy, keep }) => copy === null && keep === "copy");
  const settled = new Set(deleting.map(({ pair }) => pair.source));
  for await (const portion of judged(change, context, refused.map(({ pair }) => pair))) {
    for (const { pair: { source }, verdict } of portion) {
      if (verdict === "same") settled.add(source);
      else settled.delete(source); // The original is there.
    }
  }
  return settled;
}

/** What scripts say of records, for a later one to tell whether they are still that; `*` for what only a watch can tell. */
async function readProofs({ store }: WriteContext, keys: readonly Binary[]): Promise<Map<Binary, string>> {
  const args = [store.clustered ? "" : "1"];
  const told = keys.map(async (key) => [key, String(await store.evaluate(READ_PROOF, [key], args))] as const);
  return new Map(await Promise.all(told));
}

/** @returns False when one of the two has changed meanwhile. */
async function write(
  change: CopyChange,
  context: WriteContext,
  settling: Settling,
  proofs: ReadonlyMap<Binary, string>,
): Promise<boolean> {
  const { pair: { source, target }, keep } = settling;
  const { store, fence } = context;
  const keys = keep === "original" ? [target, source] : [source, target];
  const [over, holds] = keys as [Binary, Binary];
  const known = keys.map((key) => proofs.get(key)!);
  if (known.includes("*")) return await writeLarge(change, context, settling);
  const fields = await fieldsToSet(context, settling);
  if (!store.clustered) {
    return await store.write(SETTLE, keys, [...known, "", "", ...fields].map(toArgument), fence) === "1";
  }
  const whole = await readWhole(store, holds);
  if ((await readProofs(context, [holds])).get(holds) !== proofs.get(holds)) return false;
  const args = [...known.map(toArgument), whole?.dump ?? "", whole?.endsAt ?? "0", ...fields.map(toArgument)];
  return await store.write(SETTLE, [over], args, fence) === "1";
}

/** @returns False when one of the two has changed meanwhile. */
async function writeLarge(change: CopyChange, context: WriteContext, settling: Settling): Promise<boolean> {
  const { pair, state, keep } = settling;
  const keys = keep === "original" ? [pair.target, pair.source] : [pair.source, pair.target];
  return await doWatched(context, pair, async () => {
    for await (const [one] of judged(change, context, [pair])) {
      if (one === undefined || stateOf(one) !== state) return null;
      const fields = await fieldsToSet(context, { ...one, state, keep });
      return { script: SETTLE, keys, args: ["*", "*", "", "", ...fields] };
    }
    return null;
  });
}

/** A copy goes through the migrations after it that are applied, in the step that writes it: what is recorded of them stays true. */
async function fieldsToSet(context: WriteContext, { pair, original, keep }: Settling): Promise<Binary[]> {
  if (keep === "copy" || original.fields === null) return [];
  return [...await changesAfterCopy(context, pair.target, original.fields)].flat();
}
