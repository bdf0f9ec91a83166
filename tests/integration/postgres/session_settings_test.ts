/** What is set for a role or a database, and would change what the server answers or end a run that works. */

import { assertEquals } from "@std/assert";
import { startPostgres } from "../../support/postgres.ts";
import { pause } from "../../../engine/pause.ts";
import { backendOver, fill, locked, migrateTo, running } from "./deployment.ts";

const READ_OTHERWISE = { quote_all_identifiers: "on", standard_conforming_strings: "off" };

for (const [name, value] of Object.entries(READ_OTHERWISE)) {
  Deno.test(`Tables are read as they are where ${name} is ${value}`, async () => {
    await using server = await startPostgres({ [name]: value, escape_string_warning: "off" });
    const sql = server.client(await server.createDatabase(), { max: 2 });
    const backend = backendOver(sql);
    await migrateTo(backend, 4);
    await fill(sql);
    assertEquals((await backend.group([5, 6, 7, 8, 9, 10])).apart, []);
    {
      await using session = await locked(backend);
      await session.upTogether([5, 6, 7, 8, 9, 10], running());
    }
    assertEquals((await backend.verify()).issues, []);
  });
}

Deno.test("A session that waits for other stores is not ended for its silence", async () => {
  await using server = await startPostgres({ idle_session_timeout: "200ms" });
  const backend = backendOver(server.client(await server.createDatabase(), { max: 2 }));
  await using session = await locked(backend);
  // The server's own clock is what is waited for: any longer would do as well.
  await pause(1000);
  await session.ping();
  await session.up(1, running());
});

Deno.test("A schema whose name looks like the place of a value is migrated as any other", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await server.client(url).unsafe('CREATE SCHEMA "app$1"');
  const backend = backendOver(server.client(url, { max: 2, connection: { search_path: '"app$1"' } }));
  await migrateTo(backend, 10);
  assertEquals((await backend.verify()).issues, []);
});
