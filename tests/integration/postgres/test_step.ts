/**
 * A single step of a test's own, for what no released step does.
 *
 * @module
 */

import type { PostgresOptions } from "../../../engine/postgres/backend.ts";
import type { SqlStep } from "../../../engine/sql/step.ts";
import type { SqlStatement } from "../../../engine/sql/statement.ts";

/** A single step of a test's own. */
export function stepOf(
  up: readonly SqlStatement[],
  changes: Partial<SqlStep> = {},
): Pick<PostgresOptions, "steps" | "directory" | "schemas"> {
  const step: SqlStep = {
    version: 1,
    name: "test",
    description: "A step of a test",
    transactional: true,
    up,
    down: [{ text: "SELECT 1" }],
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({ tables: [], consequences: [], warnings: [] }),
    ...changes,
  };
  return {
    steps: [{ step, up: (runner) => runner.run(step, "up"), down: (runner) => runner.run(step, "down") }],
    directory: null,
    schemas: [[]],
  };
}
