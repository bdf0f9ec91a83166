/**
 * Runs steps as one: all of them and their records, or none.
 *
 * @module
 */

import { RefusedError } from "../errors.ts";
import { type Hint, hint } from "../hint.ts";
import { BY_EXCHANGE, type Fold } from "../sql/rewrite.ts";
import { runModule } from "../sql/own_step.ts";
import type { SqlStatement } from "../sql/statement.ts";
import type { SqlStep, StepModule } from "../sql/step.ts";
import type { SqlRunOptions } from "../sql_backend.ts";
import { assertShown, chooseUp } from "./chosen_way.ts";
import { findOwnWork } from "./foldable.ts";
import type { PostgresOptions } from "./options.ts";
import { columnsBeforehand } from "./beforehand.ts";
import { type Preparation, preparationName } from "./prepare/describe.ts";
import { Dwindling } from "./prepare/dwindling.ts";
import { triggersOf } from "./prepare/notes.ts";
import type { Preparer } from "./prepare/preparer.ts";
import { switchOf } from "./prepare/switch.ts";
import type { Query } from "./query.ts";
import { stepId } from "./step_id.ts";
import type { StepRecords } from "./step_records.ts";
import type { RunStatements, TransactionRunner } from "./transaction.ts";

/** What a runner works with. */
export interface FoldRunnerOptions extends Pick<PostgresOptions, "steps" | "schemas" | "tool"> {
  readonly schema: string;
  readonly records: StepRecords;
  readonly preparer: Preparer;
  /** Transactions while the application stands still. */
  readonly transactions: TransactionRunner;
  /** Transactions beside an application at work. */
  readonly quick: TransactionRunner;
}

/** Tries of the second lock of a switch, after which it is taken at once instead of the first. */
const UPGRADES = 2;

/** Runs folds on one connection. */
export class FoldRunner {
  readonly #options: FoldRunnerOptions;

  constructor(options: FoldRunnerOptions) {
    this.#options = options;
  }

  /** Makes tables anew. A step alone runs by its own statements where they cannot be. */
  async run(fold: Fold, options: SqlRunOptions): Promise<void> {
    const work = this.#work(fold, options);
    await this.#options.transactions.run(work.name, work.options, async (query, run) => {
      const begun = performance.now();
      await this.#options.records.prepare(query, work.first, "up");
      const anew = !work.alone || (await this.#findOwnWork(query, fold)).length === 0;
      if (work.alone && anew) assertShown(work.first, options.variant, BY_EXCHANGE);
      const own = anew ? undefined : await chooseUp(query, work.first, options.variant);
      const { before, after } = anew ? fold : { before: [], after: [] };
      work.expect([...before, ...after]);
      for (const statement of before) {
        await run([statement]);
        if (statement.locks === undefined) continue;
        // Under each lock it is looked again.
        await this.#assertNothingLost(query, fold, {
          hint: "Run the same command again: they are then changed in place, step by step",
        });
      }
      const through: RunStatements = (given) => run(given, anew ? "moment" : undefined);
      await this.#finish(query, through, work, { after, own }, begun);
    });
  }

  /**
   * Lets prepared tables take their places. Where they write faster than that can be taken in, writers are kept away for a moment
   * at a time until it is.
   *
   * @throws {RefusedError} When they write more in between than can be taken in.
   */
  async switch(preparation: Preparation, options: SqlRunOptions): Promise<void> {
    const fold = switchOf(preparation);
    const { records, preparer, quick } = this.#options;
    const work = this.#work(fold, options);
    const remove = { hint: hint`Remove it, or do without what is prepared: ${"apply --no-prepared"}` };
    const dwindling = new Dwindling(3);
    const horizon = await preparer.catchUp(preparation, options);
    let [left, upgrades] = [Infinity, 0];
    while (left > 0) {
      await quick.run(work.name, work.options, async (query, run) => {
        const begun = performance.now();
        work.expect([...fold.before, ...fold.after]);
        // The books are under the lock of the run: what is looked up here keeps nobody waiting.
        await records.prepare(query, work.first, "up");
        if (work.alone) assertShown(work.first, options.variant, BY_EXCHANGE);
        const books = await preparer.ready(query, preparation);
        // Who has read the tables and now waits to write to them is waited for in vain, unless readers wait from the beginning.
        const strongAtOnce = upgrades >= UPGRADES;
        await run([strongAtOnce ? fold.strongLock : fold.lock]);
        left = await preparer.finish(query, preparation, books, horizon);
        if (left > 0) return;
        if (!strongAtOnce) {
          upgrades++;
          await run([fold.strongLock]);
        }
        await this.#assertNothingLost(query, fold, remove);
        await run(fold.takeAway, "moment");
        await this.#finish(query, (given) => run(given, "moment"), work, fold, begun);
        await preparer.clear(query);
      });
      if (left > 0 && !dwindling.by(left)) throw tooManyWrites(left);
    }
  }

  /** Readers wait from here on: the books are written once everything is done. */
  async #finish(
    query: Query,
    run: RunStatements,
    { modules }: Work,
    { after, own }: Pick<Fold, "after"> & { readonly own?: readonly SqlStatement[] | undefined },
    begun: number,
  ): Promise<void> {
    for (const module of modules) {
      await runModule(module, "up", stepId(module.step), { run: (given) => run(own ?? given.up) });
    }
    await run(after);
    const steps = modules.map(({ step }) => step);
    await this.#options.records.finishTogether(query, steps, performance.now() - begun);
  }

  /** @throws {RefusedError} When anything would be lost with the tables that are made anew. */
  async #assertNothingLost(
    query: Query,
    fold: Fold,
    otherwise: { readonly hint: string | Hint },
  ): Promise<void> {
    const own = await this.#findOwnWork(query, fold);
    if (own.length === 0) return;
    throw new RefusedError(`Cannot make the tables anew: ${own.join("; ")}`, otherwise);
  }

  async #findOwnWork(query: Query, { versions, tables }: Fold): Promise<readonly string[]> {
    const { schema, schemas, tool } = this.#options;
    const expected = schemas[versions[0]! - 2]!;
    return await findOwnWork(query, schema, expected, tables, {
      triggers: triggersOf(preparationName(tool)),
      columns: columnsBeforehand(this.#options.steps),
    });
  }

  #work({ versions }: Fold, options: SqlRunOptions): Work {
    const modules = versions.map((version) => this.#options.steps[version - 1]!);
    const [first, last] = [modules[0]!.step, modules.at(-1)!.step];
    let [at, count] = [0, 0];
    return {
      modules,
      first,
      alone: first === last,
      name: first === last ? stepId(first) : `${stepId(first)} to ${stepId(last)}`,
      options: {
        ...options,
        onStatement: (_index, _count, text) => options.onStatement?.(at++, count, text),
      },
      expect(around) {
        [at, count] = [0, [around, ...modules.map(({ step }) => step.up)].flat().length];
      },
    };
  }
}

/** Steps that run as one, and how they are told of. */
interface Work {
  readonly modules: readonly StepModule[];
  readonly first: SqlStep;
  readonly alone: boolean;
  readonly name: string;
  /** Statements are counted over all. */
  readonly options: SqlRunOptions;
  /** Counts from the beginning, with the statements around those of the steps. */
  expect(around: readonly unknown[]): void;
}

function tooManyWrites(left: number): RefusedError {
  return new RefusedError(
    `Cannot put what is prepared in its place: the application writes more than can be taken in meanwhile (${left} writes are left)`,
    { hint: "Stop the application, or let it write less, and run the same command again: nothing is lost" },
  );
}
