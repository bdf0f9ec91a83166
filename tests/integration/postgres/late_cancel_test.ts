/** A cancellation that comes to the server late: it hits the statement that it was for, or none. */

import { assertEquals, assertExists } from "@std/assert";
import { PinnedConnection } from "../../../engine/postgres/pinned_connection.ts";
import { pause } from "../../../engine/pause.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";

const FIRST = "SELECT pg_sleep(0.5)";

Deno.test("query() ends when no cancellation of it can hit the statement after it", async () => {
  await using server = await startPostgres();
  const url = new URL(await server.createDatabase());
  const direct = server.client(url.href, { max: 1 });
  let backendPid = 0;
  let nextCame = () => {};
  const next = new Promise<void>((resolve) => nextCame = resolve);
  await using proxy = startFaultProxy({
    protocol: "postgres",
    target: server.port,
    decide: async ({ text }) => {
      if (text.includes("pg_sleep(2)")) nextCame();
      if (!text.includes("pg_cancel_backend")) return null;
      // The statement ends by itself before its cancellation comes; the next one has every chance to begin.
      await eventually(async () => {
        const [row] = await direct`SELECT state, query FROM pg_stat_activity WHERE pid = ${backendPid}`;
        assertEquals([row?.state, row?.query], ["idle", FIRST]);
      });
      await Promise.race([next.then(() => pause(200)), pause(1000)]);
      return null;
    },
  });
  url.port = String(proxy.port);
  await using connection = await PinnedConnection.open(server.client(url.href, { max: 2 }));
  backendPid = connection.backendPid;
  const stop = new AbortController();
  const first = connection.query(FIRST, [], stop.signal);
  stop.abort();
  assertEquals((await first).length, 1);
  assertEquals((await connection.query("SELECT pg_sleep(2)")).length, 1);
});

Deno.test("query() cancels no stranger where another host answers, whose process has the same id", async () => {
  await using server = await startPostgres();
  await using another = await startPostgres();
  const stranger = another.client(await another.createDatabase(), { max: 2 });
  const source = server.client(await server.createDatabase(), { max: 2 });
  await using connection = await PinnedConnection.open(source);
  const others = stranger`SELECT pg_sleep(1)`.execute();
  const pid = await eventually(async () => {
    const [row] = await stranger`SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'`;
    assertExists(row);
    return row!["pid"];
  });
  Object.assign(connection, { backendPid: pid });
  source.options.port.splice(0, 1, another.port);
  const stop = new AbortController();
  const own = connection.query(FIRST, [], stop.signal);
  stop.abort();
  assertEquals((await own).length, 1);
  assertEquals((await others).length, 1);
});
