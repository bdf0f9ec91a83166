/**
 * Measures an upgrade from version 4 to 10 that is prepared beside a reader and a writer of the old application: how long the build and
 * the switch take, the longest wait of each, and what the triggers cost a writer; and the same steps applied in one go.
 * `deno run -A bench/postgres_prepare.ts [EVENTS]`.
 *
 * @module
 */

import type postgres from "postgres";
import { backendOver, locked, migrateTo, running } from "../tests/integration/postgres/deployment.ts";
import { fillLegacyLog } from "../tests/support/legacy_postgres_data.ts";
import { startPostgres } from "../tests/support/postgres.ts";

const events = Number(Deno.args[0] ?? 500_000);
const VERSIONS = [5, 6, 7, 8, 9, 10];

const READ = "SELECT id FROM deliveries ORDER BY time DESC, id LIMIT 1";

/** An event, its delivery and their row of the index, as the old application writes them. */
async function write(sql: postgres.Sql): Promise<void> {
  const id = crypto.randomUUID();
  await sql.begin(async (transaction) => {
    await transaction`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
      VALUES (${id}, 'live', 'd', now(), 't', true, '{}', '{}')`;
    await transaction`INSERT INTO deliveries (id, event_id, destination_id, status, time) VALUES (${id}, ${id}, 'd', 'success', now())`;
    await transaction`INSERT INTO event_delivery_index
      (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
      VALUES (${id}, ${id}, 'live', 'd', now(), now(), 't', 'success')`;
  });
}

/** The longest that one took until told to stop, or until the tables are others, in milliseconds; the one that met those, too. */
async function longest(work: () => Promise<unknown>, stopped: () => boolean): Promise<number> {
  let longest = 0;
  while (!stopped()) {
    const begun = performance.now();
    const done = await work().then(() => true, () => false);
    longest = Math.max(longest, performance.now() - begun);
    if (!done) break;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return longest;
}

/** Median time of a write, in milliseconds. */
async function writing(sql: postgres.Sql): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 400; i++) {
    const begun = performance.now();
    await write(sql);
    times.push(performance.now() - begun);
  }
  return times.sort((a, b) => a - b)[times.length / 2]!;
}

async function beside<T>(url: string, work: () => Promise<T>) {
  let stopped = false;
  const [reader, writer] = [server.client(url, { max: 1 }), server.client(url, { max: 1 })];
  const waits = [
    longest(() => reader.unsafe(READ), () => stopped),
    longest(() => write(writer), () => stopped),
  ];
  const begun = performance.now();
  await work();
  const ms = performance.now() - begun;
  stopped = true;
  const [read, written] = await Promise.all(waits);
  return { ms, read: read!, written: written! };
}

await using server = await startPostgres({
  shared_buffers: "512MB",
  max_wal_size: "8GB",
  maintenance_work_mem: "256MB",
});
const template = await server.createDatabase("template4");
const filling = server.client(template, { max: 2 });
await migrateTo(backendOver(filling), 4);
await fillLegacyLog(filling, { events, orphans: 1000 });
await filling`VACUUM ANALYZE`;
await filling.end();

const url = await server.copyDatabase("template4", "prepared");
const sql = server.client(url, { max: 2 });
const before = await writing(sql);
const build = await beside(url, async () => {
  await using session = await locked(backendOver(sql));
  await session.prepare!(VERSIONS, running());
});
const during = await writing(sql);
const [size] = await sql<{ bytes: string }[]>`
  SELECT sum(pg_total_relation_size(oid))::text AS bytes FROM pg_class WHERE relkind = 'r' AND relname LIKE 'outpost_prepared%'`;
let [switching, transaction, visible] = [0, 0, 0];
const prepared = await beside(url, async () => {
  let began = 0;
  const watched = server.client(url, {
    max: 2,
    debug: (_, text) => void (text.startsWith("BEGIN") && (began = performance.now())),
  });
  await using session = await locked(backendOver(watched));
  // Locks are given back, and all see the new tables, before the server deletes the files of the old ones and answers.
  const seen = (async () => {
    while (true) {
      const [row] = await sql<{ there: boolean }[]>`SELECT to_regclass('attempts') IS NOT NULL AS there`;
      if (row!.there) return performance.now();
    }
  })();
  const begun = performance.now();
  await session.upTogether(VERSIONS, running());
  // The last transaction that began is that of the switch.
  [switching, transaction, visible] = [
    performance.now() - begun,
    performance.now() - began,
    await seen - began,
  ];
});
const other = await server.copyDatabase("template4", "applied");
const applied = await beside(other, async () => {
  const client = server.client(other, { max: 2 });
  await using session = await locked(backendOver(client));
  await session.upTogether(VERSIONS, running());
});
const line = (name: string, { ms, read, written }: typeof build) =>
  print(
    [name, ...[ms, read, written].map((each) => `${Math.round(each)} ms`)].map((cell) => cell.padEnd(18))
      .join(""),
  );
print(["", "takes", "longest read", "longest write"].map((cell) => cell.padEnd(18)).join(""));
line("apply alone", applied);
line("prepare", build);
line("apply, prepared", prepared);
print(
  `${events} events; the switch with its last draining: ${Math.round(switching)} ms; its transaction ${
    Math.round(visible)
  } ms until all see it, ${Math.round(transaction)} ms until the old files are deleted`,
);
print(
  `a write of three rows: ${before.toFixed(2)} ms, ${during.toFixed(2)} ms while prepared (${
    (during / before).toFixed(2)
  } times)`,
);
print(
  `the build takes ${(build.ms / applied.ms).toFixed(1)} times as long as apply alone, and ${
    Math.round(Number(size!.bytes) / 1e6)
  } MB on disk`,
);

function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
