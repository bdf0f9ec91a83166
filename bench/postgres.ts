/**
 * Measures the Postgres steps 5 to 10 over a log of version 4, in one run: the plain statements of what released steps do, sent by
 * psql; our steps one by one; our steps as one. How long each takes, the longest wait of a reader and of a writer beside it, the
 * WAL it writes, and what the database takes on disk at the end. `deno run -A bench/postgres.ts [EVENTS]`.
 *
 * @module
 */

import type postgres from "postgres";
import { backendOver, locked, migrateTo, running } from "../tests/integration/postgres/deployment.ts";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { postgresFolders, type PostgresServer, startPostgres } from "../tests/support/postgres.ts";
import { findProgram } from "../tests/support/server.ts";

const events = Number(Deno.args[0] ?? 500_000);
const RELEASED = new URL("postgres_released.sql", import.meta.url);
const VERSIONS = [5, 6, 7, 8, 9, 10];

interface Way {
  readonly name: string;
  readonly run: (url: string, sql: postgres.Sql) => Promise<void>;
}

const WAYS: readonly Way[] = [
  { name: "plain statements, psql", run: (url) => psql(url) },
  { name: "our steps one by one", run: (_url, sql) => migrateTo(backendOver(sql), 10) },
  {
    name: "our steps as one",
    run: async (_url, sql) => {
      await using session = await locked(backendOver(sql));
      await session.upTogether(VERSIONS, running());
    },
  },
];

async function psql(url: string): Promise<void> {
  const { success, stderr } = await new Deno.Command(
    findProgram("psql", "postgresql-client", postgresFolders()),
    {
      args: ["--quiet", "--set=ON_ERROR_STOP=1", `--file=${RELEASED.pathname}`, url],
      stdout: "null",
    },
  ).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}

/** Repeats a statement until told to stop. @returns The longest that one took, in milliseconds. */
async function longestWait(
  sql: postgres.Sql,
  statements: readonly string[],
  stopped: () => boolean,
): Promise<number> {
  let longest = 0;
  while (!stopped()) {
    const begun = performance.now();
    for (const statement of statements) {
      // Each form of a statement is right for some of the versions.
      if (await sql.unsafe(statement).then(() => true, () => false)) break;
    }
    longest = Math.max(longest, performance.now() - begun);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return longest;
}

const READS = ["SELECT id FROM events ORDER BY time DESC, id LIMIT 1"];
const COLUMNS = "id, tenant_id, time, topic, eligible_for_retry, data, metadata";
const VALUES = "gen_random_uuid(), 'live', now(), 't', true, '{}', '{}'";
const WRITES = [
  `INSERT INTO events (${COLUMNS}, destination_id) VALUES (${VALUES}, 'd')`,
  `INSERT INTO events (${COLUMNS}) VALUES (${VALUES})`,
];

async function measure(server: PostgresServer, { name, run }: Way, database: string): Promise<string> {
  const url = await server.copyDatabase("template4", database);
  const sql = server.client(url, { max: 2 });
  const wal = async () => {
    const [row] = await sql<
      { at: string }[]
    >`SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::text AS at`;
    return Number(row!.at);
  };
  await sql`CHECKPOINT`;
  const before = await wal();
  let stopped = false;
  const waits = [READS, WRITES].map((statements) =>
    longestWait(server.client(url, { max: 1 }), statements, () => stopped)
  );
  const begun = performance.now();
  await run(url, sql);
  const seconds = (performance.now() - begun) / 1000;
  stopped = true;
  const [reader, writer] = await Promise.all(waits);
  const [size] = await sql<{ bytes: string }[]>`SELECT pg_database_size(current_database())::text AS bytes`;
  const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;
  const cells = [
    `${seconds.toFixed(1)} s`,
    `${(reader! / 1000).toFixed(2)} s`,
    `${(writer! / 1000).toFixed(2)} s`,
    megabytes(await wal() - before),
    megabytes(Number(size!.bytes)),
  ];
  await sql.end();
  return [name.padEnd(24), ...cells.map((cell) => cell.padStart(10))].join("");
}

if (import.meta.main) {
  await using server = await startPostgres({ max_wal_size: "8GB", full_page_writes: "on" });
  const sql = server.client(await server.createDatabase("template4"), { max: 2 });
  await migrateTo(backendOver(sql), 4);
  await fillLegacyLog(sql, { events, orphans: Math.round(events / 100) });
  await sql`VACUUM ANALYZE`;
  const head = ["time", "reader", "writer", "WAL", "database"].map((title) => title.padStart(10)).join("");
  // deno-lint-ignore no-console
  console.log(`${events.toLocaleString("en")} events\n${"".padEnd(24)}${head}`);
  for (const [index, way] of WAYS.entries()) {
    // deno-lint-ignore no-console
    console.log(await measure(server, way, `way_${index}`));
  }
}
