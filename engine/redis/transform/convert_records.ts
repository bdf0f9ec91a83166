/**
 * Changes hashes in place, batch by batch, each by compare-and-set: a record is read once, taken through all changes in order, and
 * written once.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import { byTurns, Rows } from "../bulk_reads.ts";
import type { Conversion, CopyContext, WriteContext } from "../context.ts";
import { BatchSize, ReplyClock } from "../walk/pacing.ts";
import { coveringPattern } from "../walk/pattern.ts";
import { Tally } from "../walk/tally.ts";
import { walk } from "../walk/walk.ts";
import { chainOf, follow, type LinkOutcome, take, type Taken } from "./chain.ts";
import { isInconvertible, whyNot } from "./change.ts";
import { type FieldWrite, writeFields } from "./field_writes.ts";
import { mayBeAny, meantBy } from "./kinds.ts";

/** A record that changes again and again is read again this often before it counts as failed. */
const ATTEMPTS = 50;

/** How records are converted. */
type Converting = Pick<CopyContext, "store" | "fence" | "skipInvalid">;
/** What is known of the changes. */
interface Way {
  /** There are lookalikes: each record is asked about. */
  readonly lookalikes: boolean;
  readonly goesOn: (link: number) => boolean;
}
/** What is done with a batch of keys. @param read What was read of them already. */
export type Visit = (keys: readonly Binary[], size: BatchSize, read?: Rows) => Promise<void>;

/** What else a walk looks for. */
interface Also {
  readonly pattern: Binary;
  /** Fields that are read for it. */
  readonly fields: readonly Binary[];
  readonly visit: Visit;
}

/** Changes that count what they do. */
type Counted = Conversion & { readonly tally: Tally };

/**
 * Changes every record that needs it.
 *
 * @param lookalikes There are lookalikes: each record is asked about.
 * @param also What else the same walk looks for, once it has changed a batch.
 */
export async function convertRecords(
  conversions: readonly Counted[],
  context: Converting & Pick<CopyContext, "signal" | "maxRate" | "batchSize" | "onStep">,
  lookalikes: boolean,
  also: Also | null,
): Promise<void> {
  const goesOn = goesOnBehind(conversions, context);
  const { fields } = chainOf(conversions.map(({ change }) => change), also?.fields);
  const patterns = conversions.map(({ change }) => change.pattern);
  await walk(context.store, {
    ...context,
    pattern: coveringPattern(also === null ? patterns : [...patterns, also.pattern]),
    visit: async (keys, size) => {
      const read = also === null
        ? undefined
        : await Rows.read(context.store, keys, fields, { size, names: true });
      const touched = await convert(conversions, { ...context, lookalikes, goesOn }, keys, size, read);
      await also?.visit(keys.filter((key) => !touched.has(key)), size, read);
      if (touched.size > 0) await also?.visit([...touched], size);
    },
  });
}

/**
 * Changes copies that were there, or are made, after later migrations had run: what these say of themselves stays true.
 *
 * @param lookalikes There are lookalikes: each copy is asked about.
 * @param areNew This run has made them: then they are counted, too. Where they were there before, the walk over these has counted them.
 */
export async function convertAfter(
  context: CopyContext,
  copies: readonly Binary[],
  lookalikes: boolean,
  areNew = false,
): Promise<void> {
  const { converted } = context;
  if (converted.length === 0 || copies.length === 0) return;
  const counted = converted.map(({ change, tally }) => ({
    change,
    tally: areNew && tally !== null ? tally : new Tally(),
  }));
  const goesOn = goesOnBehind(converted, context);
  const size = new BatchSize(new ReplyClock(), "records");
  await convert(counted, { ...context, lookalikes, goesOn }, copies, size);
  counted.forEach(({ tally }, i) => {
    if (tally === converted[i]!.tally) return;
    for (const [key, why] of tally.failures) (converted[i]!.tally ?? context.tally).fail(key, why);
  });
}

/**
 * What is applied is true of every record that it can convert, whatever became of that before; what runs, of those alone that all
 * before it could.
 *
 * @returns Tells, by the number of a change, whether a record that it cannot convert goes on.
 */
export function goesOnBehind(
  conversions: readonly Conversion[],
  { skipInvalid }: { readonly skipInvalid: boolean },
): (link: number) => boolean {
  return (link) => skipInvalid || conversions.slice(link).some(({ tally }) => tally === null);
}

/** What the migrations after a copy that are applied make of a record that is about to be written: fields to set, with values. */
export async function changesAfterCopy(
  { store, converted }: Pick<WriteContext, "store" | "converted">,
  key: Binary,
  fields: ReadonlyMap<Binary, Binary>,
): Promise<Map<Binary, Binary>> {
  const chain = chainOf(converted.map(({ change }) => change));
  const values = chain.fields.map((field) => fields.get(field) ?? null);
  const isMeant = await meantBy(chain, store, true, [key], [values]);
  const { changes } = take(follow(chain, key, values, (link) => isMeant(link, 0)), () => true);
  return byTurns(changes);
}

/** Counts what became of a record that is as it was to be. */
export function countTaken(
  conversions: readonly Conversion[],
  key: Binary,
  outcomes: readonly LinkOutcome[],
  { skipInvalid, tally: otherwise }: { readonly skipInvalid: boolean; readonly tally?: Tally },
): void {
  outcomes.forEach(({ kind, values, changes }, i) => {
    if (kind === null) return;
    const { change, tally } = conversions[i]!;
    if (isInconvertible(changes)) {
      const why = whyNot(change, values, changes);
      if (!skipInvalid) (tally ?? otherwise)?.fail(key, why);
      else tally?.accept(key, why);
    } else if (changes === null) tally?.pass(key);
    else if (tally !== null) {
      tally.processed++;
      tally.recover(key);
    }
  });
}

/** Converts one batch; what changes meanwhile is read again. @returns What was not left as it had been read. */
async function convert(
  conversions: readonly Counted[],
  context: Converting & Way,
  batch: readonly Binary[],
  size: BatchSize,
  read?: Rows,
): Promise<ReadonlySet<Binary>> {
  const touched = new Set<Binary>();
  const { store, lookalikes, goesOn } = context;
  const changes = conversions.map(({ change }) => change);
  const chain = chainOf(changes);
  let keys = batch.filter((key) => changes.some((change) => mayBeAny(change, key)));
  for (let attempt = 1; keys.length > 0; attempt++) {
    const known = attempt === 1 ? read : undefined;
    const rows = (known ?? await Rows.read(store, keys, chain.fields, { size })).of(keys, chain.fields);
    const isMeant = await meantBy(chain, store, lookalikes, keys, rows);
    const todo: (FieldWrite & Taken)[] = [];
    keys.forEach((key, i) => {
      const values = rows[i];
      if (!values) return;
      const taken = take(follow(chain, key, values, (link) => isMeant(link, i)), goesOn);
      if (taken.changes.length === 0) countTaken(conversions, key, taken.outcomes, context);
      else todo.push({ key, values, ...taken });
    });
    for (const { key } of todo) touched.add(key);
    if (todo.length === 0) break;
    const results = await size.measure("write", todo.length, () => writeFields(context, chain.fields, todo));
    const again = todo.filter((_, i) => results[i] === "0"); // A record that is gone, "-", stays gone.
    todo.forEach(({ key, outcomes }, i) => {
      if (results[i] === "1") countTaken(conversions, key, outcomes, context);
    });
    if (attempt === ATTEMPTS) {
      for (const { key, outcomes } of again) {
        const first = outcomes.findIndex(({ kind, changes }) => kind !== null && changes !== null);
        conversions[first]!.tally.fail(key, "it changed each time before it could be written");
      }
      break;
    }
    keys = again.map(({ key }) => key);
  }
  return touched;
}
