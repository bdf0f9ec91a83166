/**
 * What a list of migrations would do, counted by scanning: each as if those before it had run. Two walks at most: one
 * over the keys that get copies, whose copies are then shown to the migrations that come later, and one over the records
 * that are there already.
 *
 * @module
 */

import { type Binary, display } from "./binary.ts";
import { readExisting, readFields, type Values } from "./bulk_reads.ts";
import type { ReadContext, RecordRules } from "./context.ts";
import type { CopyChange } from "./copy/change.ts";
import { deadLists } from "./copy/dead_lists.ts";
import { findPairs, hasLookalikes, type Pair } from "./copy/pairs.ts";
import { judged } from "./copy/weigh.ts";
import type { RedisMigration } from "./migration.ts";
import { invalidValue, isInconvertible, type TransformChange } from "./transform/change.ts";
import { findLookalikes, kindsOf } from "./transform/convert_records.ts";
import type { RedisExample, RedisInvalid } from "../redis_backend.ts";
import { NAMED_RECORDS } from "./walk/tally.ts";
import { walk } from "./walk/walk.ts";

const EXAMPLES = 3;

/** How the keyspace is walked over. */
type WalkPace = Pick<ReadContext, "signal" | "maxRate" | "batchSize" | "onStep">;

/** What one migration would do. */
export interface Forecast {
  readonly migration: RedisMigration;
  items: number;
  readonly scope: Record<string, number>;
  readonly examples: RedisExample[];
  invalidItems: number;
  readonly invalid: RedisInvalid[];
}

/** A migration to plan, and what decides about its records. */
export interface Planned {
  readonly migration: RedisMigration;
  readonly rules: RecordRules;
}

interface Step<Change> {
  readonly forecast: Forecast;
  readonly change: Change;
  readonly rules: RecordRules;
  readonly position: number;
}

/** Counts. Sends read commands only. @returns A forecast for each migration, in order. */
export async function forecast(
  planned: readonly Planned[],
  options: WalkPace,
): Promise<Forecast[]> {
  const forecasts = planned.map(({ migration }): Forecast => ({
    migration,
    items: 0,
    scope: {},
    examples: [],
    invalidItems: 0,
    invalid: [],
  }));
  const copies: Step<CopyChange>[] = [];
  const transforms: Step<TransformChange>[] = [];
  forecasts.forEach((forecast, position) => {
    const { change } = forecast.migration;
    const { rules } = planned[position]!;
    if (change.type === "copy") copies.push({ forecast, change, rules, position });
    else transforms.push({ forecast, change, rules, position });
  });
  for (const copy of copies) {
    await walkCopies(
      copy,
      transforms.filter((step) => step.position > copy.position),
      { ...copy.rules, ...options },
    );
  }
  for (const group of groupByPattern(transforms)) {
    await walkRecords(group, { ...group[0]!.rules, ...options });
  }
  return forecasts;
}

/** Migrations over the same keys share a walk. */
function groupByPattern(steps: readonly Step<TransformChange>[]): Step<TransformChange>[][] {
  const groups = new Map<Binary, Step<TransformChange>[]>();
  for (const step of steps) {
    groups.set(step.change.pattern, [...groups.get(step.change.pattern) ?? [], step]);
  }
  return [...groups.values()];
}

async function walkCopies(
  { forecast, change }: Step<CopyChange>,
  following: readonly Step<TransformChange>[],
  context: ReadContext,
): Promise<void> {
  const { store } = context;
  const lookalikes = await hasLookalikes(change, context);
  const fields = fieldsOf(following);
  await walk(store, {
    ...context,
    pattern: change.pattern,
    visit: async (keys) => {
      const pairs = await findPairs(change, store, lookalikes, keys);
      const there = await readExisting(store, pairs.map(({ target }) => target));
      const coming = await comingOf(change, context, pairs.filter((_, i) => !there[i]));
      if (coming.length < pairs.length) add(forecast, "already_current", pairs.length - coming.length);
      for (const pair of coming) count(forecast, pair);
      if (following.length === 0) return;
      const rows = await readFields(store, coming.map(({ source }) => source), fields);
      chain(following, fields, coming.map(({ target }) => target), rows, null);
    },
  });
}

/** Pairs without a copy that are to get one: the application may have deleted it. */
async function comingOf(change: CopyChange, context: ReadContext, pairs: readonly Pair[]): Promise<Pair[]> {
  if (context.doneSince === null) {
    const dead = await deadLists(change, context.store, pairs);
    return pairs.filter((pair) => !dead.has(pair));
  }
  const coming: Pair[] = [];
  for await (const portion of judged(change, context, pairs)) {
    for (const { pair, standing } of portion) if (standing === "late") coming.push(pair);
  }
  return coming;
}

function count(forecast: Forecast, { source, target, kind }: Pair): void {
  forecast.items++;
  add(forecast, kind, 1);
  if (forecast.examples.length < EXAMPLES) {
    forecast.examples.push({ key: display(source), before: display(source), after: display(target) });
  }
}

function add({ scope }: Forecast, kind: string, count: number): void {
  scope[kind] = (scope[kind] ?? 0) + count;
}

async function walkRecords(steps: readonly Step<TransformChange>[], context: ReadContext): Promise<void> {
  const { store } = context;
  const fields = fieldsOf(steps);
  const [{ change }] = steps as [Step<TransformChange>];
  const others = await findLookalikes(change, context);
  await walk(store, {
    ...context,
    pattern: change.pattern,
    visit: async (batch) => {
      const keys = batch.filter((key) => steps.some((step) => step.change.mayBe?.(key) ?? true));
      const rows = await readFields(store, keys, fields);
      const meant = others ? await kindsOf({ ...change, fields }, store, others, keys, rows) : null;
      chain(steps, fields, keys, rows, meant);
    },
  });
}

/** Shows records to the migrations in order; each sees what those before it would have set. */
function chain(
  steps: readonly Step<TransformChange>[],
  fields: readonly string[],
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
  meant: readonly (string | null)[] | null,
): void {
  keys.forEach((key, i) => {
    if (!rows[i] || meant?.[i] === null) return;
    const values = [...rows[i]];
    for (const { forecast, change } of steps) {
      const own = change.fields.map((field) => values[fields.indexOf(field)] ?? null);
      const kind = change.kindOf(key, own);
      const changes = kind === null ? null : change.change(kind, own);
      if (changes === null || kind === null) continue;
      if (isInconvertible(changes)) {
        add(forecast, "invalid", 1);
        if (forecast.invalidItems++ < NAMED_RECORDS) {
          forecast.invalid.push({ key: display(key), ...invalidValue(change, own, changes) });
        }
        continue;
      }
      forecast.items++;
      add(forecast, kind, 1);
      const before = changes.filter((_, at) => at % 2 === 0).map((field) =>
        values[fields.indexOf(field)] ?? null
      );
      if (forecast.examples.length < EXAMPLES) forecast.examples.push(example(key, changes, before));
      for (let at = 0; at < changes.length; at += 2) {
        const column = fields.indexOf(changes[at]!);
        if (column >= 0) values[column] = changes[at + 1]!;
      }
    }
  });
}

/** Only fields that a migration sets are shown, never the others of the record. */
function example(key: Binary, changes: readonly string[], before: readonly (Binary | null)[]): RedisExample {
  const names = changes.filter((_, at) => at % 2 === 0);
  const show = (values: readonly (Binary | null)[]) =>
    names.flatMap((name, i) =>
      values[i] === null || values[i] === undefined ? [] : [
        `${name}=${display(values[i])}`,
      ]
    ).join(", ");
  return {
    key: display(key),
    before: show(before) || `no ${names.join(", ")}`,
    after: show(changes.filter((_, at) => at % 2 === 1)),
  };
}

/** All fields that some migrations read. */
function fieldsOf(steps: readonly Step<TransformChange>[]): string[] {
  return [...new Set(steps.flatMap(({ change }) => change.fields))];
}
