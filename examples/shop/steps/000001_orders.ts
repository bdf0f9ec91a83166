/**
 * Orders get a table.
 *
 * Locks: nothing that anybody uses. What cannot come back on the way down: the orders.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "@outpost/migrate";

/** What the step does, as data: it can be shown, and its checksum taken, without running it. */
export const step: SqlStep = {
  version: 1,
  name: "orders",
  description: "Creates the table of orders",
  transactional: true,
  up: [{ text: "CREATE TABLE orders (id text PRIMARY KEY, total numeric NOT NULL)" }],
  down: [{ text: "DROP TABLE orders" }],
  forecast: () => ({ tables: [], consequences: [] }),
  forecastDown: () => ({
    tables: [],
    consequences: [{
      kind: "table_dropped",
      table: "orders",
      detail: "orders",
      rows: "SELECT count(*) FROM orders",
    }],
    warnings: [{ text: "orders are lost", rows: "SELECT count(*) FROM orders" }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
