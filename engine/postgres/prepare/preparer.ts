/**
 * Builds new tables beside a running application, keeps them in step, and takes them away again. Whoever calls this holds the lock;
 * every transaction is fenced by it before it commits.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import { RateLimit } from "../../rate_limit.ts";
import { hint } from "../../hint.ts";
import type { SqlPrepareOptions, SqlRunOptions } from "../../sql_backend.ts";
import { SETTINGS } from "../fold.ts";
import type { Query } from "../query.ts";
import type { TransactionRunner } from "../transaction.ts";
import {
  advance,
  assertFitting,
  assertOwn,
  forgetKept,
  isPrepared,
  markReady,
  type PreparedBooks,
  readBooks,
  TAKE_AWAY,
} from "./books.ts";
import type { Preparation } from "./describe.ts";
import { BY_INDEX, drain } from "./drain.ts";
import { clear, fingerprint, watched } from "./notes.ts";
import { differences, fillRange, nextKey } from "./part.ts";
import { start } from "./start.ts";
import { type Stage, stagesOf, stageText } from "./stages.ts";

/** Rows in a batch, unless told otherwise: a second of work or less. */
const BATCH = 5000;

/** Notes that are few enough to be taken in while writers wait. */
const FEW = 200;

/** What a preparer works with. */
export interface PreparerOptions {
  readonly transactions: TransactionRunner;
  readonly schema: string;
  /** What the names of all that is made begin with. */
  readonly name: string;
  /** Who prepares. */
  readonly tool: { readonly version: string; readonly who: string };
  /** The version that the database is at. */
  readonly version: (query: Query) => Promise<number>;
  /** Throws when a table that is written to beside the application's is not what this tool would make. */
  readonly assertTrusted: (query: Query) => Promise<void>;
}

/** Prepares on one connection. */
export class Preparer {
  readonly #options: PreparerOptions;

  constructor(options: PreparerOptions) {
    this.#options = options;
  }

  /** True where something is prepared, or was begun. */
  async isThere(query: Query): Promise<boolean> {
    return await isPrepared(query, this.#options.name);
  }

  /**
   * Begins, or goes on where it was, until all is built and proven; then takes in what was written meanwhile.
   *
   * @throws {RefusedError} When something is prepared already that does not fit, or when the tables are not what they were.
   */
  async build(preparation: Preparation, options: SqlPrepareOptions): Promise<void> {
    const limit = new RateLimit(options.maxRate, options.signal);
    const stages = stagesOf(preparation);
    let books = await this.#begin(preparation, options);
    while (!books.ready) {
      const before = books.rows;
      if (stages[books.stage]!.kind === "proof") await this.catchUp(preparation, options);
      books = await this.#within(
        preparation,
        options,
        (query) => this.#advance(query, preparation, stages, options),
      );
      options.onPrepared?.({ phase: stageText(preparation, books.stage), rows: books.rows });
      await limit.take(books.rows - before);
    }
    await this.catchUp(preparation, options);
  }

  /** Takes in what was written since, until little is left. */
  async catchUp(preparation: Preparation, options: SqlRunOptions): Promise<void> {
    let taken = FEW;
    while (taken >= FEW) {
      await this.#within(preparation, options, async (query, books) => {
        taken = await drain(query, preparation);
        return books;
      });
    }
  }

  /**
   * Takes in all that is left, under a lock that keeps writers away.
   *
   * @throws {RefusedError} When it is not finished, and when not every write was noted for certain.
   */
  async finish(query: Query, preparation: Preparation): Promise<void> {
    const books = await this.#books(query);
    await this.#assertUsable(query, preparation, books);
    if (!books.ready) {
      throw new RefusedError("Cannot use what is prepared: it is not finished", {
        hint: hint`Finish it with ${"prepare"}, or do without it: ${"apply --no-prepared"}`,
      });
    }
    while (await drain(query, preparation) > 0);
  }

  /** Takes everything away that is not in use by now. */
  async clear(query: Query): Promise<void> {
    await clear(query, this.#options.name);
  }

  /** Takes away what was prepared. @returns False where nothing was. */
  async abort(options: SqlRunOptions): Promise<boolean> {
    const { transactions, schema, name, version, assertTrusted } = this.#options;
    let there = false;
    await transactions.run("the end of what is prepared", options, async (query, run) => {
      const books = await readBooks(query, schema, name);
      there = books !== null;
      if (books === null) return;
      await assertOwn(query, schema, name);
      await assertTrusted(query);
      // Another tool may have taken the very rows away that are kept here.
      if (books.from === await version(query)) await forgetKept(query, name);
      const tables = await watched(query, name);
      if (tables.length > 0) {
        const text = `LOCK TABLE ${tables.join(", ")} IN ACCESS EXCLUSIVE MODE`;
        await run([{ text, locks: { tables, mode: "ACCESS EXCLUSIVE" }, retriesAlone: true }]);
      }
      await clear(query, name);
    });
    return there;
  }

  async #begin(preparation: Preparation, options: SqlRunOptions): Promise<PreparedBooks> {
    const { transactions, schema, name, version } = this.#options;
    let books: PreparedBooks | null = null;
    await transactions.run(`the preparation of ${rangeOf(preparation)}`, options, async (query, run) => {
      books = await readBooks(query, schema, name);
      if (books !== null) {
        await this.#assertUsable(query, preparation, books);
        return;
      }
      const at = await version(query);
      if (at !== preparation.versions[0]! - 1) {
        throw new RefusedError(`Cannot prepare ${rangeOf(preparation)}: the database is at version ${at}`);
      }
      await start(query, run, preparation, this.#options);
      books = await readBooks(query, schema, name);
    });
    return books!;
  }

  async #advance(
    query: Query,
    preparation: Preparation,
    stages: readonly Stage[],
    { batchSize = BATCH }: SqlPrepareOptions,
  ): Promise<PreparedBooks> {
    const books = await this.#books(query);
    const { name } = this.#options;
    const stage = stages[books.stage]!;
    if (stage.kind === "proof") return await this.#prove(query, preparation, stages.length);
    const next = { stage: books.stage + 1, position: null, rows: books.rows };
    if (stage.kind === "statement") {
      await query(stage.text);
      await advance(query, name, next);
      return { ...books, ...next };
    }
    const { part } = stage;
    const highest = books.highest[preparation.sources.indexOf(part.source)] ?? null;
    const before = books.position === null ? [] : [books.position];
    await query(BY_INDEX);
    const [end] = highest === null
      ? []
      : await query<{ key: string }>(nextKey(part.source, before.length > 0), [
        highest,
        batchSize,
        ...before,
      ]);
    let now: typeof next | { stage: number; position: string; rows: number } = next;
    if (end !== undefined) {
      const [made] = await query<{ n: string }>(fillRange(part, before.length > 0), [end.key, ...before]);
      now = { stage: books.stage, position: end.key, rows: books.rows + Number(made!.n) };
    }
    await advance(query, name, now);
    return { ...books, ...now };
  }

  async #prove(query: Query, preparation: Preparation, ready: number): Promise<PreparedBooks> {
    await this.#assertUsable(query, preparation, await this.#books(query));
    for (const part of preparation.parts) {
      const [found] = await query<{ n: string }>(differences(part, preparation.sources));
      if (Number(found!.n) === 0) continue;
      throw new RefusedError(
        `Cannot use what is prepared: ${found!.n} rows of ${part.name} are not what they should be`,
        { hint: TAKE_AWAY },
      );
    }
    await markReady(query, this.#options.name, ready);
    return await this.#books(query);
  }

  async #within(
    preparation: Preparation,
    options: SqlRunOptions,
    work: (query: Query, books: PreparedBooks) => Promise<PreparedBooks>,
  ): Promise<PreparedBooks> {
    let after: PreparedBooks;
    await this.#options.transactions.run(
      `the preparation of ${rangeOf(preparation)}`,
      options,
      async (query) => {
        for (const { text } of SETTINGS) await query(text);
        const books = await this.#books(query);
        assertFitting(books, preparation, books.from);
        after = await work(query, books);
      },
    );
    return after!;
  }

  async #books(query: Query): Promise<PreparedBooks> {
    const books = await readBooks(query, this.#options.schema, this.#options.name);
    if (books === null) throw new RefusedError("Cannot go on: what was prepared was taken away meanwhile");
    return books;
  }

  async #assertUsable(query: Query, preparation: Preparation, books: PreparedBooks): Promise<void> {
    assertFitting(books, preparation, await this.#options.version(query));
    await assertOwn(query, this.#options.schema, this.#options.name);
    await this.#options.assertTrusted(query);
    await this.#assertWatched(query, preparation, books);
  }

  async #assertWatched(query: Query, preparation: Preparation, books: PreparedBooks): Promise<void> {
    if (await fingerprint(query, preparation) === books.fingerprint) return;
    throw new RefusedError(
      "Cannot use what is prepared: the tables, or the triggers on them, were changed meanwhile, and a write may have gone unseen",
      { hint: TAKE_AWAY },
    );
  }
}

function rangeOf({ versions }: Preparation): string {
  return `the versions ${versions[0]} to ${versions.at(-1)}`;
}
