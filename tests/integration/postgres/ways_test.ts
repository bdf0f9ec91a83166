/** However steps run, one by one, as one, or prepared beside an application, whatever was written ends as the same. */

import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type postgres from "postgres";
import { startPostgres } from "../../support/postgres.ts";
import { anyLog, anyWrites, writeAll } from "./any_log.ts";
import { backendOver, contents, locked, migrateTo, outpostSchema, running } from "./deployment.ts";
import { books, quarantine } from "./ends.ts";

/** Another number plays other data; the gate plays the same every time. */
const SEED = Number(Deno.env.get("OUTPOST_TESTS_WAYS_SEED") ?? 1);
const RUNS = Number(Deno.env.get("OUTPOST_TESTS_WAYS_RUNS") ?? 5);

const scenario = fc.record({
  // Two tables are joined from 4 on.
  from: fc.constantFrom(4, 4, 4, 5, 6, 7, 8),
  zone: fc.constantFrom("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Africa/Monrovia"),
  log: anyLog,
  /** Before a batch each, and after all is prepared. */
  meanwhile: fc.array(anyWrites, { minLength: 1, maxLength: 3 }),
  batchSize: fc.constantFrom(1, 3, 7, 100),
});

Deno.test("Steps one by one, as one, and prepared beside an application end in the same rows, schema and books", async () => {
  await using server = await startPostgres();
  const template = server.client(await server.createDatabase("at"), { max: 2 });
  for (const version of [4, 5, 6, 7, 8]) {
    await migrateTo(backendOver(template), version);
    await server.copyDatabase("at", `at_${version}`);
  }
  let run = 0;
  await fc.assert(
    fc.asyncProperty(scenario, async ({ from, zone, log, meanwhile, batchSize }) => {
      const name = (way: string) => `${way}_${run}`;
      run++;
      const client = (url: string) => server.client(url, { max: 2, connection: { TimeZone: zone } });
      const versions = Array.from({ length: 10 - from }, (_, i) => from + 1 + i);
      const url = await server.copyDatabase(`at_${from}`, name("prepared"));
      const prepared = client(url);
      await writeAll(prepared, log);
      const others = [...meanwhile];
      {
        await using session = await locked(backendOver(prepared));
        const write = async () => await writeAll(prepared, others.length > 1 ? others.shift()! : []);
        let begun = false;
        await session.prepare!(versions, {
          // In between is between two batches: writers would wait for the first, which hangs up the triggers.
          ...running({ beforeCommit: async () => void (begun ? await write() : begun = true) }),
          batchSize,
        });
      }
      for (const writes of others) await writeAll(prepared, writes);
      const rows = await contents(prepared);
      const single = client(await server.copyDatabase(name("prepared"), name("single")));
      const folded = client(await server.copyDatabase(name("prepared"), name("folded")));
      for (const sql of [single, folded]) {
        await using session = await locked(backendOver(sql));
        await session.abortPrepared!(running());
        assertEquals(await contents(sql), rows, "what was prepared is nobody's but its own");
      }
      await migrateTo(backendOver(single), 10);
      const again = client(url);
      for (const sql of [folded, again]) {
        await using session = await locked(backendOver(sql));
        await session.upTogether(versions, running());
      }
      const wanted = await end(single);
      for (const sql of [folded, again]) assertEquals(await end(sql), wanted);
      await Promise.all([prepared, single, folded, again].map((sql) => sql.end()));
    }),
    { seed: SEED, numRuns: RUNS, endOnFailure: true },
  );
});

async function end(sql: postgres.Sql): Promise<unknown> {
  return [
    await contents(sql),
    await quarantine(sql),
    await books(sql),
    await outpostSchema(sql),
    (await backendOver(sql).verify()).issues,
  ];
}
