/**
 * Builds new tables stage by stage, each within the transaction that notes how far it is.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import type { Query } from "../query.ts";
import { advance, type PreparedBooks, TAKE_AWAY } from "./books.ts";
import type { Part, Preparation } from "./describe.ts";
import { BY_INDEX } from "./drain.ts";
import { differences, fillRange, nextKey } from "./part.ts";
import type { Stage } from "./stages.ts";

/** How far a stage is. */
type Position = Pick<PreparedBooks, "stage" | "position" | "rows">;

/**
 * Does the next piece of a stage, a batch or all of it.
 *
 * @param batchSize Rows in a batch.
 * @returns The books as they are then.
 */
export async function buildNext(
  query: Query,
  preparation: Preparation,
  stage: Exclude<Stage, { readonly kind: "proof" }>,
  books: PreparedBooks,
  batchSize: number,
): Promise<PreparedBooks> {
  const next: Position = { stage: books.stage + 1, position: null, rows: books.rows };
  let now = next;
  if (stage.kind === "statement") await query(stage.text);
  if (stage.kind === "rows") {
    const highest = books.highest[preparation.sources.indexOf(stage.part.source)] ?? null;
    now = await copyBatch(query, stage.part, highest, books, batchSize) ?? next;
  }
  await advance(query, preparation.name, now);
  return { ...books, ...now };
}

/** Copies the rows after the position. @returns Null where there are none up to the highest key. */
async function copyBatch(
  query: Query,
  part: Part,
  highest: string | null,
  { stage, position, rows }: Position,
  batchSize: number,
): Promise<Position | null> {
  if (highest === null) return null;
  const before = position === null ? [] : [position];
  await query(BY_INDEX);
  const [end] = await query<{ key: string }>(nextKey(part.source, before.length > 0), [
    highest,
    batchSize,
    ...before,
  ]);
  if (end === undefined) return null;
  const [made] = await query<{ n: string }>(fillRange(part, before.length > 0), [end.key, ...before]);
  return { stage, position: end.key, rows: rows + Number(made!.n) };
}

/** @throws {RefusedError} When a row is not what it should be, and its key is not noted. */
export async function assertProven(query: Query, { parts, sources }: Preparation): Promise<void> {
  for (const part of parts) {
    const [found] = await query<{ n: string }>(differences(part, sources));
    if (Number(found!.n) === 0) continue;
    throw new RefusedError(
      `Cannot use what is prepared: ${found!.n} rows of ${part.name} are not what they should be`,
      { hint: TAKE_AWAY },
    );
  }
}
