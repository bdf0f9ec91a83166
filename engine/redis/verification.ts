/**
 * Verifies migrations against the records: one look at each record, whichever of them it concerns.
 *
 * @module
 */

import type { RedisVerification, RedisVerifyOptions } from "../redis_backend.ts";
import { slices } from "../slices.ts";
import type { Binary } from "./binary.ts";
import { Rows } from "./bulk_reads.ts";
import { checkCopies, type CopyCheck } from "./copy/check.ts";
import { walkOver } from "./lookalikes.ts";
import { rulesFor, type Standing } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import { chainOf } from "./transform/chain.ts";
import { checkConverted, type ConvertedCheck } from "./transform/check.ts";
import { mayBeAny } from "./transform/kinds.ts";
import { BatchSize, ReplyClock } from "./walk/pacing.ts";
import type { WalkOptions } from "./walk/part.ts";
import { matcherOf } from "./walk/pattern.ts";
import { chooseSample } from "./walk/sample.ts";
import { Tally } from "./walk/tally.ts";

/** Keys of a sample that are looked at together. */
const AT_ONCE = 200;
const SEARCHED =
  "Too few keys of this Redis are meant to draw a sample of them: all keys were looked through";

/** Looks at the records of migrations that are applied. What is pending cannot be verified. */
export async function verifyMigrations(
  store: RedisStore,
  asked: readonly Standing[],
  options: RedisVerifyOptions,
): Promise<RedisVerification[]> {
  const applied = asked.filter(({ state }) => state.status === "applied");
  const changes = applied.map(({ migration }) => migration.change);
  let tallies: Tally[] = [];
  const begin = (lookalikes: boolean) => {
    tallies = applied.map(() => new Tally());
    return checksOf(store, applied, tallies, options, lookalikes);
  };
  let note: string | undefined;
  if (changes.length === 0) return asked.map(notApplied);
  if (options.full) await walkOver(store, changes, options, begin);
  else {
    const { keys, searched } = await chooseSample(store, changes, options.sample, options.signal);
    if (searched) note = SEARCHED;
    const check = begin(true); // Whether there are lookalikes only a look at all keys would tell.
    const size = new BatchSize(new ReplyClock(), "records");
    for (const some of slices(keys, AT_ONCE)) await check(some, size);
  }
  return asked.map((one) => {
    const tally = tallies[applied.indexOf(one)];
    if (tally === undefined) return notApplied(one);
    return { ...resultOf(one, tally), ...(note === undefined ? {} : { note }) };
  });
}

/** Checks keys for migrations that are applied. Each record is read once for all of them. */
function checksOf(
  store: RedisStore,
  standings: readonly Standing[],
  tallies: readonly Tally[],
  options: RedisVerifyOptions,
  lookalikes: boolean,
): WalkOptions["visit"] {
  const inPlace: ConvertedCheck[] = [];
  const copies: (CopyCheck & { readonly matches: (key: Binary) => boolean })[] = [];
  standings.forEach((standing, i) => {
    const { migration: { change }, applied, state: { accepted } } = standing;
    const tally = tallies[i]!;
    if (change.type === "transform") {
      inPlace.push({ change, tally, accepted });
      return;
    }
    const context = { ...rulesFor(store, standing), ...options };
    const chain = chainOf(store.clustered ? [] : applied, change.fields); // Of a copy elsewhere no server is told what it should be.
    copies.push({ change, context, chain, tally, matches: matcherOf(change.pattern) });
  });
  const { fields } = chainOf(
    inPlace.map(({ change }) => change),
    copies.flatMap(({ chain }) => chain.fields),
  );
  const guessing = copies.filter(({ change }) => change.likely !== undefined);
  const copyOf = (key: Binary) => guessing.find(({ matches }) => matches(key))?.change.likely?.(key) ?? null;
  return async (all, size) => {
    const keys = all.filter((key) =>
      copies.some(({ matches }) => matches(key)) || inPlace.some(({ change }) => mayBeAny(change, key))
    );
    const read = await Rows.read(store, keys, fields, { size, copyOf });
    for (const one of copies) await checkCopies(one, lookalikes, keys.filter(one.matches), read, size);
    await checkConverted(inPlace, store, lookalikes, keys, read);
  };
}

function notApplied({ id, state: { status } }: Standing): RedisVerification {
  const valid = status === "not_applicable";
  const issues = valid ? [] : [`${id} is ${status}: it cannot be verified before it is applied`];
  return { id, valid, checksRun: 0, checksPassed: 0, accepted: 0, undecided: 0, issues };
}

/** What was found of a migration. */
function resultOf({ id, state: { inheritedFrom } }: Standing, tally: Tally): RedisVerification {
  const { failed, invalid: accepted, undecided, skipped: checksPassed, named: issues } = tally;
  if (failed > issues.length) issues.push(`Others that are not as they should be: ${failed - issues.length}`);
  if (failed > 0 && inheritedFrom !== null) {
    issues.unshift(`${inheritedFrom} says that it was applied, the records say otherwise`);
  }
  const checksRun = checksPassed + failed;
  return { id, valid: failed === 0, checksRun, checksPassed, accepted, undecided, issues };
}
