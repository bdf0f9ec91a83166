/**
 * A new Postgres step.
 *
 * @module
 */

import type { Scaffold } from "./scaffold.ts";

/** The list of the Postgres steps. */
export const SQL_LIST = "migrations/sql/postgres_steps.ts";

/**
 * @param name For example `event_source`.
 * @param list Text of {@linkcode SQL_LIST}.
 * @returns Null when the list is not of the form that it has in a checkout.
 */
export function scaffoldSqlStep(name: string, list: string): Scaffold | null {
  const last = [...list.matchAll(/^export \* as step\d+ from "\.\/postgres\/(\d{6})_\w+\.ts";$/gm)].at(-1);
  if (last === undefined) return null;
  const version = Number(last[1]) + 1;
  const full = `${String(version).padStart(6, "0")}_${name}`;
  const entry = `export * as step${String(version).padStart(2, "0")} from "./postgres/${full}.ts";\n`;
  return {
    id: `sql/${full}`,
    created: [
      { path: `migrations/sql/postgres/${full}.ts`, text: stepText(name, version) },
      { path: `tests/integration/migrations/sql/${full}_test.ts`, text: testText(full, version) },
    ],
    changed: { path: SQL_LIST, text: `${list.trimEnd()}\n${entry}` },
    next: [
      `Write its statements, their locks and what cannot come back in migrations/sql/postgres/${full}.ts`,
      "Write down the schema that it leaves: ./dev deno task schema",
      "Say in its test what becomes of the data: ./dev test tests/integration/migrations",
    ],
  };
}

function stepText(name: string, version: number): string {
  return `/**
 * What it is for, in a sentence or two.
 *
 * Locks: events, for a moment: a column with a constant default rewrites nothing. What cannot come back on the way down: its values.
 *
 * @module
 */

import type { SqlStep, StepRunner } from "../../../engine/sql/step.ts";
import { lockTables } from "../lock_tables.ts";
import { all, use, useDown } from "../postgres_tables.ts";

/** What the step does. */
export const step: SqlStep = {
  version: ${version},
  name: "${name}",
  description: "What it is for, in a line",
  transactional: true,
  up: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events ADD COLUMN ${name} text NOT NULL DEFAULT ''" },
  ],
  down: [
    lockTables(["events"], "ACCESS EXCLUSIVE"),
    { text: "ALTER TABLE events DROP COLUMN ${name}" },
  ],
  forecast: (from) => ({
    tables: [use("events", from, ${version}, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [],
  }),
  forecastDown: (from) => ({
    tables: [useDown("events", from, ${version}, { lock: "ACCESS EXCLUSIVE", rewrite: false })],
    consequences: [all("column_dropped", "events", "${name}", from, ${version})],
    warnings: [{ text: "events lose their ${name}", rows: null }],
  }),
};

/** Runs the step. */
export const up = (runner: StepRunner): Promise<void> => runner.run(step, "up");

/** Takes it back. */
export const down = (runner: StepRunner): Promise<void> => runner.run(step, "down");
`;
}

function testText(full: string, version: number): string {
  return `import { assertEquals } from "@std/assert";
import {
  backendOver,
  locked,
  migrateTo,
  outpostSchema,
  releasedSchema,
  running,
} from "../../postgres/deployment.ts";
import { startPostgres } from "../../../support/postgres.ts";

Deno.test("${full} keeps the rows, up and down, and leaves the schema that verify expects", async () => {
  await using server = await startPostgres();
  const sql = server.client(await server.createDatabase());
  const backend = backendOver(sql);
  await migrateTo(backend, ${version - 1});
  await sql\`INSERT INTO events (id, tenant_id, time, topic, eligible_for_retry, data, metadata)
    VALUES ('evt', 'tenant', now(), 'topic', true, '{}', '{}')\`;

  await migrateTo(backend, ${version});
  assertEquals(await outpostSchema(sql), releasedSchema(${version}));
  assertEquals((await sql\`SELECT id FROM events\`).map(({ id }) => id), ["evt"]);

  await using session = await locked(backend);
  await session.down(${version}, running());
  assertEquals(await outpostSchema(sql), releasedSchema(${version - 1}));
  assertEquals((await sql\`SELECT id FROM events\`).map(({ id }) => id), ["evt"]);
});
`;
}
