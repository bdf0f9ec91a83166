/**
 * Runs single steps by their own statements.
 *
 * @module
 */

import { runModule } from "../sql/own_step.ts";
import type { StepModule } from "../sql/step.ts";
import type { SqlRunOptions } from "../sql_backend.ts";
import { chooseDown, chooseUp } from "./chosen_way.ts";
import { runOutsideTransaction } from "./concurrent_step.ts";
import type { PostgresOptions } from "./options.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { stepId } from "./step_id.ts";
import type { StepRecords } from "./step_records.ts";
import type { TransactionRunner } from "./transaction.ts";

/** Runs steps on one connection. */
export class StepByStep {
  readonly #connection: PinnedConnection;
  readonly #options: PostgresOptions;
  readonly #transactions: TransactionRunner;
  readonly #records: StepRecords;

  constructor(
    connection: PinnedConnection,
    options: PostgresOptions,
    transactions: TransactionRunner,
    records: StepRecords,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#transactions = transactions;
    this.#records = records;
  }

  /** Runs a step by its own statements, up or down: the step and its record, or neither, where it can run in a transaction. */
  async run(
    direction: "up" | "down",
    module: StepModule,
    options: SqlRunOptions,
  ): Promise<void> {
    const { step } = module;
    if (!step.transactional) return await this.#outside(direction, module, options);
    await this.#transactions.run(stepId(step), options, async (query, statements) => {
      const begun = performance.now();
      await this.#records.prepare(query, step, direction);
      await runModule(module, direction, stepId(step), {
        run: async (given, way) =>
          await statements(
            way === "up" ? await chooseUp(query, given, options.variant) : await chooseDown(query, given),
          ),
        lend: (work) => this.#connection.lend(work, options.signal),
      });
      await this.#records.finish(query, step, direction, performance.now() - begun);
    });
  }

  /** Recorded as begun, run, recorded as done: whatever cuts it off, the next run finds it begun and does the rest. */
  async #outside(
    direction: "up" | "down",
    module: StepModule,
    options: SqlRunOptions,
  ): Promise<void> {
    const { step } = module;
    const begun = performance.now();
    await this.#transactions.run(stepId(step), options, async (query) => {
      await this.#records.prepare(query, step, direction);
      await this.#records.begin(query, step, direction);
    });
    await runModule(module, direction, stepId(step), {
      run: (given, way) => runOutsideTransaction(this.#connection, this.#options, given, way, options),
    });
    await this.#transactions.run(
      stepId(step),
      options,
      (query) => this.#records.finish(query, step, direction, performance.now() - begun),
    );
  }
}
