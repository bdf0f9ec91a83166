/**
 * Builds new tables beside a running application, keeps them in step, and takes them away again. Whoever calls this holds the lock;
 * every transaction is fenced by it before it commits.
 *
 * @module
 */

import { InterruptedError, RefusedError } from "../../errors.ts";
import { RateLimit } from "../../rate_limit.ts";
import { hint } from "../../hint.ts";
import type { SqlPrepareOptions, SqlRunOptions } from "../../sql_backend.ts";
import { SETTINGS } from "../fold.ts";
import type { Query } from "../query.ts";
import type { TransactionRunner } from "../transaction.ts";
import {
  assertFitting,
  assertOwn,
  forgetKept,
  isPrepared,
  markReady,
  type PreparedBooks,
  readBooks,
  TAKE_AWAY,
} from "./books.ts";
import { assertProven, buildNext } from "./build.ts";
import { type Preparation, tablesOf } from "./describe.ts";
import type { Horizon } from "./drain.ts";
import { catchUp, takeRest } from "./intake.ts";
import { clear, fingerprint, watched } from "./notes.ts";
import { stagesOf, stageText } from "./stages.ts";
import { start } from "./start.ts";

/** Rows in a batch, unless told otherwise: a second of work or less. */
const BATCH = 5000;

/** What a preparer works with. */
export interface PreparerOptions {
  readonly transactions: TransactionRunner;
  /** For how long writers may be kept waiting, in milliseconds. */
  readonly momentMs: number;
  readonly schema: string;
  /** What the names of all that is made begin with. */
  readonly name: string;
  /** Who prepares. */
  readonly tool: { readonly version: string; readonly who: string };
  /** The version that the database is at. */
  readonly version: (query: Query) => Promise<number>;
  /** Runs a statement without a transaction. @param what What it is for, for messages. */
  readonly runAlone: (what: string, text: string, options: SqlRunOptions) => Promise<void>;
  /** Throws when a table that is written to beside the application's is not what this tool would make. */
  readonly assertTrusted: (query: Query) => Promise<void>;
  /** The same, and makes again of them what somebody dropped. */
  readonly mend: (query: Query) => Promise<void>;
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
    const { batchSize = BATCH, onPrepared } = options;
    const limit = new RateLimit(options.maxRate, options.signal);
    const stages = stagesOf(preparation);
    const takeIn = async () => {
      let rows = 0;
      await this.catchUp(preparation, options, async (taken) => {
        onPrepared?.({ phase: "taking in writes", rows: rows += taken });
        await limit.take(taken);
      });
    };
    let books = await this.#begin(preparation, options);
    while (!books.ready) {
      const before = books.rows;
      const stage = stages[books.stage]!;
      if (stage.kind === "proof") await takeIn();
      if (stage.kind === "alone") await this.#options.runAlone(whatFor(preparation), stage.text, options);
      books = await this.#within(preparation, options, async (query, books) => {
        if (stage.kind !== "proof") return await buildNext(query, preparation, stage, books, batchSize);
        await this.#assertUsable(query, preparation, books);
        await assertProven(query, preparation);
        await markReady(query, this.#options.name, stages.length);
        return await this.#books(query);
      });
      onPrepared?.({ phase: stageText(preparation, books.stage), rows: books.rows });
      await limit.take(books.rows - before);
    }
    await takeIn();
  }

  /**
   * Takes in what was written since. Told of how many writes were taken in, `onTaken` is waited for.
   *
   * @returns Where {@linkcode Preparer.finish} goes on.
   */
  async catchUp(
    preparation: Preparation,
    options: SqlRunOptions,
    onTaken: (taken: number) => Promise<void> = () => Promise.resolve(),
  ): Promise<Horizon> {
    return await catchUp((work) => this.#within(preparation, options, work), preparation, onTaken);
  }

  /**
   * Reads what is prepared, where it can be used in a database that is at the version before it, and whose tables of the tool's own
   * can be trusted. Nobody but who has the lock of the run changes that.
   *
   * @throws {RefusedError} When it is not finished, or is for something else.
   */
  async ready(query: Query, preparation: Preparation): Promise<PreparedBooks> {
    const books = await this.#books(query);
    assertFitting(books, preparation, preparation.versions[0]! - 1);
    await assertOwn(query, this.#options.schema, this.#options.name);
    if (books.ready) return books;
    throw new RefusedError("Cannot use what is prepared: it is not finished", {
      hint: hint`Finish it with ${"prepare"}, or do without it: ${"apply --no-prepared"}`,
    });
  }

  /**
   * Takes in what is left, under a lock that keeps writers away, for no longer than a moment.
   *
   * @returns The writes that are left then.
   * @throws {RefusedError} When not every write was noted for certain.
   */
  async finish(
    query: Query,
    preparation: Preparation,
    books: PreparedBooks,
    horizon: Horizon,
  ): Promise<number> {
    await this.#assertWatched(query, preparation, books);
    return await takeRest(query, preparation, horizon, this.#options.momentMs);
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
    const { transactions, schema, name, version, mend } = this.#options;
    let books: PreparedBooks | null = null;
    await transactions.run(whatFor(preparation), options, async (query, run) => {
      books = await readBooks(query, schema, name);
      if (books !== null) {
        await this.#assertUsable(query, preparation, books);
        return;
      }
      const at = await version(query);
      if (at !== preparation.versions[0]! - 1) {
        throw new RefusedError(`Cannot prepare ${rangeOf(preparation)}: the database is at version ${at}`);
      }
      await mend(query);
      await start(query, run, preparation, this.#options);
      books = await readBooks(query, schema, name);
    });
    return books!;
  }

  async #within<T>(
    preparation: Preparation,
    options: SqlRunOptions,
    work: (query: Query, books: PreparedBooks) => Promise<T>,
  ): Promise<T> {
    let done: T;
    try {
      await this.#options.transactions.run(whatFor(preparation), options, async (query) => {
        for (const { text } of SETTINGS) await query(text);
        const books = await this.#books(query);
        assertFitting(books, preparation, books.from);
        done = await work(query, books);
      });
    } catch (error) {
      if (!(error instanceof InterruptedError)) throw error;
      // Only this much of it is undone.
      throw new InterruptedError(
        `Stopped before the end of ${whatFor(preparation)}: what was done of it before stays`,
        { cause: error, hint: "Run the same command again to continue" },
      );
    }
    return done!;
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
    if (await fingerprint(query, tablesOf(preparation)) === books.fingerprint) return;
    throw new RefusedError(
      "Cannot use what is prepared: the tables, or the triggers on them, were changed meanwhile, and a write may have gone unseen",
      { hint: TAKE_AWAY },
    );
  }
}

function whatFor(preparation: Preparation): string {
  return `the preparation of ${rangeOf(preparation)}`;
}

function rangeOf({ versions }: Preparation): string {
  return `the versions ${versions[0]} to ${versions.at(-1)}`;
}
