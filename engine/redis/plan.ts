/**
 * What a list of migrations would do, counted by scanning: each as if those before it had run. Two walks at most: one
 * over the keys that get copies, whose copies are then shown to the migrations that come later, and one over the records
 * that are there already.
 *
 * @module
 */

import { type Binary, display } from "./binary.ts";
import { readExisting, readFields } from "./bulk_reads.ts";
import type { CopyPattern } from "./copy/copy_keys.ts";
import type { Pair } from "./copy/copy_spec.ts";
import { findPairs, hasLookalikes } from "./copy/pairs.ts";
import type { ReadContext } from "./context.ts";
import type { RedisMigration } from "./migration.ts";
import type { Values } from "./bulk_reads.ts";
import { findLookalikes, kindsOf, type TransformPattern } from "./transform/transform_records.ts";
import type { RedisExample } from "../backend.ts";
import { walk } from "./walk/walk.ts";

const EXAMPLES = 3;

/** What one migration would do. */
export interface Forecast {
  readonly migration: RedisMigration;
  items: number;
  readonly scope: Record<string, number>;
  readonly examples: RedisExample[];
}

interface Step<Pattern> {
  readonly forecast: Forecast;
  readonly pattern: Pattern;
  readonly position: number;
}

/** Counts. Sends read commands only. @returns A forecast for each migration, in order. */
export async function forecast(
  migrations: readonly RedisMigration[],
  context: ReadContext,
): Promise<Forecast[]> {
  const forecasts = migrations.map((migration): Forecast => ({
    migration,
    items: 0,
    scope: {},
    examples: [],
  }));
  const copies: Step<CopyPattern>[] = [];
  const transforms: Step<TransformPattern>[] = [];
  forecasts.forEach((forecast, position) => {
    const pattern = forecast.migration.plan();
    if (pattern.type === "copy") copies.push({ forecast, pattern, position });
    else transforms.push({ forecast, pattern, position });
  });
  for (const copy of copies) {
    await walkCopies(
      copy,
      transforms.filter((step) => step.position > copy.position),
      context,
    );
  }
  for (const group of groupByPattern(transforms)) await walkRecords(group, context);
  return forecasts;
}

/** Migrations over the same keys share a walk. */
function groupByPattern(steps: readonly Step<TransformPattern>[]): Step<TransformPattern>[][] {
  const groups = new Map<Binary, Step<TransformPattern>[]>();
  for (const step of steps) {
    groups.set(step.pattern.pattern, [...groups.get(step.pattern.pattern) ?? [], step]);
  }
  return [...groups.values()];
}

async function walkCopies(
  { forecast, pattern }: Step<CopyPattern>,
  following: readonly Step<TransformPattern>[],
  context: ReadContext,
): Promise<void> {
  const { store } = context;
  const lookalikes = await hasLookalikes(pattern, context);
  const fields = fieldsOf(following);
  await walk(store, {
    ...context,
    pattern: pattern.pattern,
    visit: async (keys) => {
      const pairs = await findPairs(pattern, store, lookalikes, keys);
      const there = await readExisting(store, pairs.map(({ target }) => target));
      const coming = pairs.filter((_, i) => !there[i]);
      if (coming.length < pairs.length) add(forecast, "already_current", pairs.length - coming.length);
      for (const pair of coming) count(forecast, pair);
      if (following.length === 0) return;
      const rows = await readFields(store, coming.map(({ source }) => source), fields);
      chain(following, fields, coming.map(({ target }) => target), rows, null);
    },
  });
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

async function walkRecords(steps: readonly Step<TransformPattern>[], context: ReadContext): Promise<void> {
  const { store } = context;
  const fields = fieldsOf(steps);
  const [{ pattern }] = steps as [Step<TransformPattern>];
  const others = await findLookalikes(pattern, context);
  await walk(store, {
    ...context,
    pattern: pattern.pattern,
    visit: async (batch) => {
      const keys = batch.filter((key) => steps.some((step) => step.pattern.mayBe?.(key) ?? true));
      const rows = await readFields(store, keys, fields);
      const meant = others ? await kindsOf({ ...pattern, fields }, store, others, keys, rows) : null;
      chain(steps, fields, keys, rows, meant);
    },
  });
}

/** Shows records to the migrations in order; each sees what those before it would have set. */
function chain(
  steps: readonly Step<TransformPattern>[],
  fields: readonly string[],
  keys: readonly Binary[],
  rows: readonly (Values | null)[],
  meant: readonly (string | null)[] | null,
): void {
  keys.forEach((key, i) => {
    if (!rows[i] || meant?.[i] === null) return;
    const values = [...rows[i]];
    for (const { forecast, pattern } of steps) {
      const own = pattern.fields.map((field) => values[fields.indexOf(field)] ?? null);
      const kind = pattern.kindOf(key, own);
      const changes = kind === null ? null : pattern.change(kind, own);
      if (changes === null || kind === null) continue;
      if (changes === "invalid") {
        add(forecast, "invalid", 1);
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
function fieldsOf(steps: readonly Step<TransformPattern>[]): string[] {
  return [...new Set(steps.flatMap(({ pattern }) => pattern.fields))];
}
