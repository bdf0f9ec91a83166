/**
 * Keeps the books of steps within their transactions, beside a tool that knows only half of them.
 *
 * @module
 */

import { assertNext } from "../sql/standing.ts";
import { type SqlStep, stepChecksum } from "../sql/step.ts";
import { type Bookkeeping, ownTables, readBookkeeping } from "./bookkeeping.ts";
import {
  ensureBookkeeping,
  type HistoryEntry,
  trimHistory,
  writeHistory,
  writeVersion,
} from "./write_bookkeeping.ts";
import { type Query, tableExists } from "./query.ts";
import type { PostgresOptions } from "./options.ts";
import { cutOffOf } from "./standing.ts";
import { assertTrusted } from "./trusted_tables.ts";

/** Stands as `applied_by` for steps that were there before this tool came. */
const OTHER_TOOL = "golang-migrate";

/** Records of one schema. Every method runs in the transaction of the query it is given. */
export class StepRecords {
  readonly #schema: string;
  readonly #options: Pick<PostgresOptions, "names" | "tool" | "steps">;

  constructor(schema: string, options: Pick<PostgresOptions, "names" | "tool" | "steps">) {
    this.#schema = schema;
    this.#options = options;
  }

  /**
   * Creates the tables that are missing, reads what is recorded and adopts what another tool applied.
   *
   * @throws {DirtyError} When the other tool left the database dirty.
   * @throws {RefusedError} When the database is not at the version that the step begins with, or a table cannot be trusted.
   */
  async prepare(query: Query, step: SqlStep, direction: "up" | "down"): Promise<void> {
    const { names } = this.#options;
    await this.#ensure(query);
    const found = await readBookkeeping(query, this.#schema, names);
    // Looked at before the step as well; another tool may have been at work since.
    assertNext("postgres", step, direction, { ...found, cutOff: cutOffOf(found) });
    await this.#adopt(query, found);
  }

  /** Notes that a step without a transaction is under way. */
  async begin(query: Query, step: SqlStep, direction: "up" | "down"): Promise<void> {
    await this.#write(query, [step], {
      status: direction === "up" ? "applying" : "reverting",
      by: this.#options.tool.who,
      durationMs: null,
      timed: true,
    });
  }

  /** Notes that a step is done. @param durationMs How long it took, in milliseconds. */
  async finish(query: Query, step: SqlStep, direction: "up" | "down", durationMs: number): Promise<void> {
    const { names } = this.#options;
    // A table that somebody made while the step ran is undone with all that it brought about.
    await this.assertTrusted(query);
    const version = direction === "up" ? step.version : step.version - 1;
    await writeVersion(query, this.#schema, names, version);
    if (direction === "down") return await trimHistory(query, this.#schema, names, version);
    await this.#writeDone(query, [step], durationMs);
  }

  /** Notes that steps which run as one are done. @param durationMs How long they took, in milliseconds. */
  async finishTogether(query: Query, steps: readonly SqlStep[], durationMs: number): Promise<void> {
    await this.assertTrusted(query);
    await writeVersion(query, this.#schema, this.#options.names, steps.at(-1)!.version);
    await this.#writeDone(query, steps, durationMs);
  }

  async #writeDone(query: Query, steps: readonly SqlStep[], durationMs: number): Promise<void> {
    await this.#write(query, steps, {
      status: "applied",
      by: this.#options.tool.who,
      durationMs: Math.round(durationMs),
      timed: true,
    });
  }

  /** Makes the books say `version`, whatever they said: what does not match is recorded as it stands in this program. */
  async force(query: Query, version: number): Promise<void> {
    const { names, steps, tool } = this.#options;
    await this.#ensure(query);
    const { history } = await readBookkeeping(query, this.#schema, names);
    await trimHistory(query, this.#schema, names, version);
    const fits = ({ step }: { readonly step: SqlStep }, index: number): boolean => {
      const row = history[index];
      return row?.version === step.version && row.name === step.name && row.checksum === stepChecksum(step) &&
        row.status === "applied";
    };
    // All above the first that is replaced is recorded again: the order of recording stays the order of versions.
    const wrong = steps.findIndex((module, index) => !fits(module, index));
    const above = wrong < 0 ? [] : steps.slice(wrong, version).map(({ step }) => step);
    await this.#write(query, above, { status: "applied", by: tool.who, durationMs: null, timed: false });
    await writeVersion(query, this.#schema, names, version);
  }

  /** @throws {RefusedError} When a table that is written to beside the application's is not what this tool would make. */
  async assertTrusted(query: Query): Promise<void> {
    const { names, steps } = this.#options;
    await assertTrusted(query, this.#schema, ownTables(names, steps.map(({ step }) => step)));
  }

  /** Makes views again that somebody dropped before what is kept behind them. @throws {RefusedError} When a table cannot be trusted. */
  async mend(query: Query): Promise<void> {
    await this.assertTrusted(query);
    for (const { step: { remains } } of this.#options.steps) {
      // Nothing is sent that no plan shows where there is nothing to mend.
      if (remains?.behind === undefined || await tableExists(query, remains.table)) continue;
      for (const table of Object.keys(remains.behind.rows)) {
        if (await tableExists(query, table)) {
          await query(remains.behind.mend);
          break;
        }
      }
    }
  }

  /** Looked at after they were made: nobody can come in between. */
  async #ensure(query: Query): Promise<void> {
    await ensureBookkeeping(query, this.#schema, this.#options.names);
    await this.mend(query);
  }

  /** Records what the other tool applied since, and forgets what it took back. */
  async #adopt(query: Query, { version, history }: Bookkeeping): Promise<void> {
    const { names, steps } = this.#options;
    await trimHistory(query, this.#schema, names, version);
    const highest = Math.max(0, ...history.map((row) => row.version).filter((known) => known <= version));
    await this.#write(query, steps.slice(highest, version).map(({ step }) => step), {
      status: "applied",
      by: this.#options.names.leyFiles === undefined ? OTHER_TOOL : "ley",
      durationMs: null,
      timed: false,
    });
  }

  async #write(
    query: Query,
    steps: readonly SqlStep[],
    entry: Omit<HistoryEntry, "step" | "toolVersion">,
  ): Promise<void> {
    const { names, tool } = this.#options;
    const entries = steps.map((step) => ({ ...entry, step, toolVersion: tool.version }));
    await writeHistory(query, this.#schema, names, entries);
  }
}
