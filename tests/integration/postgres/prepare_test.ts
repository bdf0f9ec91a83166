/** New tables that are built beside a running application end as the same steps end one by one. */

import { assert, assertEquals } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { meanwhile } from "../../support/server.ts";
import { backendOver, contents, locked, lockHolder, migrateTo, running } from "./deployment.ts";
import { books, dump, quarantine } from "./ends.ts";
import { OldApplication } from "./old_application.ts";
import { fillAtRandom } from "./random_log.ts";

const VERSIONS = [5, 6, 7, 8, 9, 10];

for (const seed of [1, 2]) {
  Deno.test(`An application goes on while its tables are prepared, killed, taken away and prepared again, seed ${seed}`, async () => {
    await using server = await startPostgres({ timezone: "Asia/Kolkata" });
    const url = await server.createDatabase("live");
    const sql = server.client(url, { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, 4);
    await fillAtRandom(sql, seed);
    const untouched = await dump(server, "live");
    await using application = new OldApplication(() => server.client(url, { max: 1 }), { seed });
    await application.more(20);
    let kills = 0;
    /** Prepares, killed in the middle of a batch so often, each time at another one. */
    const prepare = async (killed: number) => {
      for (let round = 0;; round++) {
        await using session = await locked(backend);
        const pid = await lockHolder(sql);
        let batches = 0;
        const kill = () => void sql`SELECT pg_terminate_backend(${pid})`.execute();
        const done = session.prepare!(VERSIONS, {
          ...running({
            beforeCommit: () => {
              if (round < killed && ++batches === 1 + round * 5 + seed) kill();
              return Promise.resolve();
            },
          }),
          batchSize: 41,
        });
        const error = await done.then(() => null, (error: Error) => error);
        if (error === null) return;
        if (round >= killed) throw error;
        kills++;
      }
    };
    await prepare(2);
    await application.more(50);
    {
      await using session = await locked(backend);
      assertEquals(await session.abortPrepared!(running()), true);
      assertEquals(await session.abortPrepared!(running()), false);
    }
    assertEquals(withoutQuarantine(await dump(server, "live")), untouched);
    await prepare(4);
    assert(kills >= 3);
    await application.more(200);
    await application.stop();
    // From here on both are the same database, in two ways.
    const single = server.client(await server.copyDatabase("live", "single"), { max: 2 });
    {
      await using session = await locked(backendOver(single));
      await session.abortPrepared!(running());
    }
    assertEquals(withoutQuarantine(await dump(server, "single")), untouched);
    await migrateTo(backendOver(single), 10);
    const live = server.client(url, { max: 2 });
    {
      await using session = await locked(backendOver(live));
      await session.upTogether(VERSIONS, running());
    }
    assertEquals(await contents(live), await contents(single));
    assertEquals(await quarantine(live), await quarantine(single));
    assertEquals(await dump(server, "live"), await dump(server, "single"));
    assertEquals(await books(live), await books(single));
    assertEquals((await backendOver(live).verify()).issues, []);
  });
}

Deno.test("Keys at the ends of time, in odd text, and of another role's rows are kept in step", async () => {
  await using server = await startPostgres({ timezone: "America/St_Johns" });
  const url = await server.createDatabase("live");
  const sql = server.client(url, { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await sql.unsafe(`CREATE ROLE app LOGIN; GRANT USAGE ON SCHEMA public TO app;
    GRANT SELECT, INSERT, UPDATE, DELETE ON events, deliveries, event_delivery_index TO app; ALTER ROLE app SET datestyle = 'SQL, DMY'`);
  const app = server.client(url.replace("postgres@", "app@"), { max: 1 });
  const times = [
    "-infinity",
    "0044-03-15 01:02:03.000001+00 BC",
    "1833-11-24 17:31:44.999999+00",
    "0001-01-01 00:00:00+00",
    "9999-12-31 23:59:59.999999+00",
    "10000-01-01 00:00:00.000001+00",
    "294276-12-31 23:59:59.999999+00",
    "infinity",
  ];
  const ids = ["", " ", "null", '"', "\\", "日本語🚀", "[1]", "tab\t\u0001", "a'b", "\u2028"];
  const write = async (round: number) => {
    for (const [n, time] of times.entries()) {
      for (const [m, id] of ids.entries()) {
        const data = JSON.stringify({ round, n, m });
        // What computes a number of seconds from the time of an event takes none without an end.
        const when = time.endsWith("infinity") ? "2025-01-01" : time;
        await app`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
          VALUES (${id + n}, 't', 'd', ${when}::text::timestamptz, 'topic', true, ${data}::text::jsonb, '{}')
          ON CONFLICT (time, id) DO UPDATE SET data = excluded.data`;
        if ((n + m + round) % 3 === 0) {
          await app`INSERT INTO deliveries (id, event_id, destination_id, status, time)
            VALUES (${id}, ${m % 2 === 0 ? id + n : "gone"}, 'd', ${
            String(round)
          }, ${time}::text::timestamptz)
            ON CONFLICT (time, id) DO UPDATE SET status = excluded.status`;
        }
      }
    }
  };
  await write(0);
  {
    await using session = await locked(backend);
    await session.prepare!(VERSIONS, { ...running(), batchSize: 7 });
  }
  await write(1);
  await app.end();
  const single = server.client(await server.copyDatabase("live", "single"), { max: 2 });
  {
    await using session = await locked(backendOver(single));
    await session.abortPrepared!(running());
  }
  await migrateTo(backendOver(single), 10);
  const live = server.client(url, { max: 2 });
  {
    await using session = await locked(backendOver(live));
    await session.upTogether(VERSIONS, running());
  }
  assertEquals(await contents(live), await contents(single));
  assertEquals(await quarantine(live), await quarantine(single));
});

Deno.test("What an application had committed when the tables changed places is there afterwards", async () => {
  // The run steps back from a lock long before: on a busy machine the server might else choose a writer to give way.
  await using server = await startPostgres({ deadlock_timeout: "20s" });
  const url = await server.createDatabase();
  const sql = server.client(url, { max: 2 });
  const backend = backendOver(sql);
  await migrateTo(backend, 4);
  await fillAtRandom(sql, 7);
  const ledgers = [0, 1, 2].map(() => ({
    events: new Map<string, number>(),
    deliveries: new Map<string, string>(),
  }));
  let [commits, stopped] = [0, false];
  // Each writes rows of its own until the tables that it knows are gone.
  const write = async ({ events, deliveries }: typeof ledgers[number], writer: number) => {
    const client = server.client(url, { max: 1 });
    for (let n = 0; !stopped; n++) {
      const [event, delivery, status] = [
        `w${writer}_${n}`,
        `w${writer}_d${n}`,
        n % 3 === 0 ? "failed" : "success",
      ];
      const gone = n % 5 === 0;
      const before = n - 1 - (n % 4);
      try {
        await client.begin(async (transaction) => {
          await transaction`INSERT INTO deliveries (id, event_id, destination_id, status, time)
            VALUES (${delivery}, ${gone ? "gone" : event}, 'd', ${status}, now())`;
          await transaction`INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
            VALUES (${event}, 't', 'd', now(), 'topic', true, ${sql.json({ n })}, '{}')`;
          await transaction`UPDATE deliveries SET status = 'again' WHERE id = ${`w${writer}_d${before}`}`;
        });
      } catch (error) {
        // The table, or one of its columns.
        assert(["42P01", "42703"].includes((error as { code?: string }).code ?? ""), String(error));
        return;
      }
      commits++;
      events.set(event, n);
      deliveries.set(delivery, status);
      if (deliveries.has(`w${writer}_d${before}`)) deliveries.set(`w${writer}_d${before}`, "again");
    }
  };
  const writers = ledgers.map((ledger, writer) =>
    meanwhile(write(ledger, writer).finally(() => stopped = true))
  );
  // Before the server goes, and whatever else fails.
  await using _ending = {
    async [Symbol.asyncDispose]() {
      stopped = true;
      await Promise.allSettled(writers);
    },
  };
  const more = async (wanted: number) => {
    for (const until = commits + wanted; commits < until && !stopped;) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  {
    await using session = await locked(backend);
    await session.prepare!(VERSIONS, { ...running(), batchSize: 100 });
    await more(50);
    await session.upTogether(VERSIONS, running());
  }
  await Promise.all(writers);
  const found = await sql`SELECT id, data FROM events WHERE id LIKE 'w%'`;
  assertEquals(
    new Map(found.map(({ id, data }) => [id, JSON.parse(data).n])),
    new Map(ledgers.flatMap(({ events }) => [...events])),
  );
  const delivered = await sql`SELECT id, status FROM attempts WHERE id LIKE 'w%'
    UNION ALL SELECT row ->> 'id', row ->> 'status' FROM outpost_quarantine WHERE row ->> 'id' LIKE 'w%'`;
  const wanted = new Map(ledgers.flatMap(({ deliveries }) => [...deliveries]));
  assertEquals(delivered.length, wanted.size);
  assertEquals(new Map(delivered.map(({ id, status }) => [id, status])), wanted);
  assertEquals((await backend.verify()).issues, []);
});

/** The place for what is kept aside stays, empty, where it was made once. */
function withoutQuarantine(schema: string): string {
  return schema.split("\n\n").filter((part) => !part.includes("outpost_quarantine")).join("\n\n");
}
