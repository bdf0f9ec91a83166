/**
 * What a list of migrations would do, counted in one walk: each record is read once and shown to all of them in order, as those
 * before would have left it; a copy that is to be made, as the original is.
 *
 * @module
 */

import { type Binary, display } from "./binary.ts";
import { byTurns, readExisting, readFields, type Values } from "./bulk_reads.ts";
import type { ReadContext } from "./context.ts";
import type { CopyChange } from "./copy/change.ts";
import { deadLists } from "./copy/dead_lists.ts";
import { findPairs, type Pair } from "./copy/pairs.ts";
import { judged } from "./copy/weigh.ts";
import { walkOver } from "./lookalikes.ts";
import { rulesFor, type Standing } from "./standing.ts";
import type { RedisStore } from "./store.ts";
import { type Chain, chainOf, follow, take } from "./transform/chain.ts";
import { invalidValue, isInconvertible, type TransformChange } from "./transform/change.ts";
import { mayBeAny, meantBy } from "./transform/kinds.ts";
import type { RedisExample, RedisInvalid, RedisMigrationPlan } from "../redis_backend.ts";
import { matcherOf } from "./walk/pattern.ts";
import { NAMED_RECORDS } from "./walk/tally.ts";

const EXAMPLES = 3;

/** How the keyspace is walked over. */
type WalkPace = Pick<ReadContext, "signal" | "maxRate" | "batchSize" | "onStep">;

/** What one migration would do, while it is counted. */
interface Forecast extends RedisMigrationPlan {
  estimatedItems: number;
  firsts: number;
  readonly scope: Record<string, number>;
  readonly examples: RedisExample[];
  invalidItems: number;
  readonly invalid: RedisInvalid[];
}

function nothingYet({ id, migration: { name, description } }: Standing): Forecast {
  const nothing = { estimatedItems: 0, firsts: 0, scope: {}, examples: [], invalidItems: 0, invalid: [] };
  return { id, name, description, ...nothing };
}

/** Counts for each migration; what does not apply has nothing to do. Sends read commands only. */
export async function forecast(
  store: RedisStore,
  standings: readonly Standing[],
  options: WalkPace,
): Promise<readonly RedisMigrationPlan[]> {
  const planned = standings.filter(({ reason }) => reason === null);
  let forecasts: Forecast[] = [];
  if (planned.length > 0) {
    await walkOver(store, planned.map(({ migration }) => migration.change), options, (lookalikes) => {
      forecasts = planned.map(nothingYet);
      const look = new Look(store, planned, forecasts, options, lookalikes);
      return (keys) => look.visit(keys);
    });
  }
  return standings.map((standing) => forecasts[planned.indexOf(standing)] ?? nothingYet(standing));
}

/** A migration that makes copies, and what comes after it. */
interface CopyStep {
  readonly change: CopyChange;
  readonly context: ReadContext;
  readonly forecast: Forecast;
  readonly matches: (key: Binary) => boolean;
}

/** A change in place that records are taken through. */
interface PlaceStep {
  readonly change: TransformChange;
  /** Null for one that is applied: it is shown copies alone, and what it makes of them is counted with these. */
  readonly forecast: Forecast | null;
}

/** Changes in place that are planned, or that a planned copy goes through, in the order of their versions. */
function placesOf(planned: readonly Standing[], forecasts: readonly Forecast[]): PlaceStep[] {
  const at = (change: TransformChange) => planned.findIndex(({ migration }) => migration.change === change);
  const all = planned.flatMap(({ migration: { change }, later, applied }) =>
    change.type === "transform" ? [change] : later.filter((one) => at(one) >= 0 || applied.includes(one))
  );
  return [...new Set(all)].map((change) => ({ change, forecast: forecasts[at(change)] ?? null }));
}

/** One look at everything. */
class Look {
  readonly #store: RedisStore;
  readonly #lookalikes: boolean;
  readonly #copies: CopyStep[] = [];
  readonly #transforms: readonly PlaceStep[];
  readonly #chain: Chain;

  constructor(
    store: RedisStore,
    planned: readonly Standing[],
    forecasts: readonly Forecast[],
    options: WalkPace,
    lookalikes: boolean,
  ) {
    this.#store = store;
    this.#lookalikes = lookalikes;
    this.#transforms = placesOf(planned, forecasts);
    planned.forEach((standing, position) => {
      const { change } = standing.migration;
      if (change.type === "transform") return;
      const [forecast, context] = [forecasts[position]!, { ...rulesFor(store, standing), ...options }];
      this.#copies.push({ change, context, forecast, matches: matcherOf(change.pattern) });
    });
    this.#chain = chainOf(
      this.#transforms.map(({ change }) => change),
      this.#copies.flatMap(({ change }) => change.fields),
    );
  }

  async visit(batch: readonly Binary[]): Promise<void> {
    const isRecord = (key: Binary) => this.#transforms.some(({ change }) => mayBeAny(change, key));
    const keys = batch.filter((key) => isRecord(key) || this.#copies.some(({ matches }) => matches(key)));
    const rows = await readFields(this.#store, keys, this.#chain.fields);
    for (const step of this.#copies) await this.#visitCopies(step, keys, rows);
    await this.#follow(keys, rows);
  }

  async #visitCopies(
    step: CopyStep,
    batch: readonly Binary[],
    all: readonly (Values | null)[],
  ): Promise<void> {
    const { change, context, forecast, matches } = step;
    const rowOf = new Map(batch.flatMap((key, i) => matches(key) ? [[key, all[i]!] as const] : []));
    const columns = change.fields.map((field) => this.#chain.fields.indexOf(field));
    const own = [...rowOf.values()].map((row) => row && columns.map((column) => row[column] ?? null));
    const pairs = await findPairs(change, this.#store, this.#lookalikes, [...rowOf.keys()], own);
    const there = await readExisting(this.#store, pairs.map(({ target }) => target));
    const coming = await comingOf(change, context, pairs.filter(({ target }) => !there.has(target)));
    if (coming.length < pairs.length) add(forecast, "already_current", pairs.length - coming.length);
    for (const pair of coming) count(forecast, pair);
    const sources = coming.map(({ source }) => source);
    const rows = sources.map((source) => rowOf.get(source) ?? null);
    await this.#follow(coming.map(({ target }) => target), rows, { ...step, sources });
  }

  /** Shows records to the transforms; copies that are to be made, to those that come after them. */
  async #follow(
    keys: readonly Binary[],
    rows: readonly (Values | null)[],
    copies?: CopyStep & { readonly sources: readonly Binary[] },
  ): Promise<void> {
    // A copy looks like no other record: it is known what it is made of.
    const lookalikes = copies === undefined && this.#lookalikes;
    const meant = await meantBy(this.#chain, this.#store, lookalikes, keys, rows);
    const isShown = ({ change, forecast }: PlaceStep) =>
      copies === undefined ? forecast !== null : copies.context.later.includes(change);
    const goesOn = (link: number) =>
      this.#transforms.slice(link).some((step) => step.forecast === null && isShown(step));
    keys.forEach((key, at) => {
      const row = rows[at];
      if (!row) return;
      let isCounted = copies !== undefined;
      const isMeant = (i: number) => isShown(this.#transforms[i]!) && meant(i, at);
      const { outcomes } = take(follow(this.#chain, key, row, isMeant), goesOn);
      outcomes.forEach(({ kind, values, changes }, i) => {
        if (kind === null || changes === null) return;
        const { change, forecast } = this.#transforms[i]!;
        if (isInconvertible(changes)) {
          const counted = forecast ?? copies!.forecast;
          add(counted, "invalid", 1);
          if (counted.invalidItems++ >= NAMED_RECORDS) return;
          // What is to be repaired is what is there: under the name of the copy a repair would make half a record.
          const there = display(copies?.sources[at] ?? key);
          counted.invalid.push({ key: there, ...invalidValue(change, values, changes) });
          return;
        }
        if (forecast === null) return;
        forecast.estimatedItems++;
        if (!isCounted) forecast.firsts++;
        isCounted = true;
        add(forecast, kind, 1);
        if (forecast.examples.length >= EXAMPLES) return;
        forecast.examples.push(exampleOf(key, change, values, changes));
      });
    });
  }
}

/** Pairs without a copy that are to get one: the application may have deleted it. */
async function comingOf(change: CopyChange, context: ReadContext, pairs: readonly Pair[]): Promise<Pair[]> {
  if (context.doneSince === null) {
    const dead = await deadLists(change, context.store, pairs);
    return pairs.filter((pair) => !dead.has(pair));
  }
  const coming: Pair[] = [];
  for await (const portion of judged(change, context, pairs)) {
    for (const { pair, verdict } of portion) if (verdict === "late") coming.push(pair);
  }
  return coming;
}

function count(forecast: Forecast, { source, target, kind }: Pair): void {
  forecast.estimatedItems++;
  forecast.firsts++;
  add(forecast, kind, 1);
  if (forecast.examples.length < EXAMPLES) {
    forecast.examples.push({ key: display(source), before: display(source), after: display(target) });
  }
}

function add({ scope }: Forecast, kind: string, count: number): void {
  scope[kind] = (scope[kind] ?? 0) + count;
}

/** Only fields that a migration sets are shown, never the others of the record. */
function exampleOf(
  key: Binary,
  { fields }: TransformChange,
  values: Values,
  changes: readonly Binary[],
): RedisExample {
  const after = byTurns(changes);
  const names = [...after.keys()];
  const before = names.flatMap((name) => {
    const value = values[fields.indexOf(name)] ?? null;
    return value === null ? [] : [[name, value] as const];
  });
  const show = (shown: Iterable<readonly [Binary, Binary]>) =>
    [...shown].map(([name, value]) => `${name}=${display(value)}`).join(", ");
  return { key: display(key), before: show(before) || `no ${names.join(", ")}`, after: show(after) };
}
