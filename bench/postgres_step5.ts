/**
 * Measures step 5 with many deliveries, by exchange of the partition and in place: how long it takes, how long readers are
 * shut out, how much memory the server's process takes. `deno run -A bench/postgres_step5.ts [DELIVERIES]`.
 *
 * @module
 */

import type postgres from "postgres";
import {
  backendOver,
  locked,
  lockHolder,
  migrateTo,
  running,
} from "../tests/integration/postgres/deployment.ts";
import { startPostgres } from "../tests/support/postgres.ts";

interface Measured {
  readonly totalMs: number;
  readonly exclusiveMs: number;
  readonly peakMegabytes: number;
  readonly databaseMegabytes: number;
}

const deliveries = Number(Deno.args[0] ?? 1_000_000);

async function fillMany(sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
    SELECT 'evt_' || n, 'tenant_' || n % 2000, 'dst_' || n % 10000, timestamptz '2025-01-01 00:00:00+00' + n * interval '1 second',
           'topic.' || n % 20, true, jsonb_build_object('n', n, 'text', repeat('x', 200)), '{"source": "bench"}'
      FROM generate_series(1, ${deliveries}) n;
    INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data)
    SELECT 'del_' || n, 'evt_' || CASE WHEN n % 100 = 0 THEN -n ELSE n END, 'dst_' || n % 10000, 'success',
           timestamptz '2025-01-01 00:00:01+00' + n * interval '1 second', '200', '{"body": "ok"}'
      FROM generate_series(1, ${deliveries}) n;
    INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
    SELECT 'evt_' || n, 'del_' || n, 'tenant_' || n % 2000, 'dst_' || n % 10000, now(), now() + n * interval '1 second', 'topic', 'success'
      FROM generate_series(1, ${deliveries}) n`);
  await sql.unsafe("VACUUM ANALYZE");
}

async function measure(way: "exchange" | "in place"): Promise<Measured> {
  await using server = await startPostgres({ max_wal_size: "8GB" });
  const sql = server.client(await server.createDatabase(), { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fillMany(sql);
  if (way === "in place") await sql`COMMENT ON TABLE deliveries_default IS 'kept'`;
  await using session = await locked(backend);
  const pid = await lockHolder(sql);
  const begun = performance.now();
  let exclusiveAt = 0;
  await session.up(
    5,
    running({
      onStatement: (_index, _count, text) => {
        if (text.includes("ACCESS EXCLUSIVE")) exclusiveAt = performance.now();
        if (Deno.args.includes("--verbose")) {
          // deno-lint-ignore no-console
          console.error(`${Math.round(performance.now() - begun)} ms: ${text.split("\n")[0]}`);
        }
      },
    }),
  );
  const end = performance.now();
  // The process lives on between the steps; its high-water mark, less what it shares with all others.
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  const [size] = await sql<
    { n: number }[]
  >`SELECT (pg_database_size(current_database()) / 1048576)::int AS n`;
  const kilobytes = Number(/VmHWM:\s+(\d+)/.exec(status)![1]);
  return {
    totalMs: Math.round(end - begun),
    exclusiveMs: Math.round(end - exclusiveAt),
    peakMegabytes: Math.round(kilobytes / 1024),
    databaseMegabytes: size!.n,
  };
}

const exchange = await measure("exchange");
const inPlace = await measure("in place");
const ratio = (key: keyof Measured) => (exchange[key] / inPlace[key]).toFixed(3);
// deno-lint-ignore no-console
console.log(JSON.stringify(
  {
    deliveries,
    exchange,
    inPlace,
    exchangeToInPlace: {
      total: ratio("totalMs"),
      exclusive: ratio("exclusiveMs"),
      memory: ratio("peakMegabytes"),
      database: ratio("databaseMegabytes"),
    },
  },
  null,
  2,
));
