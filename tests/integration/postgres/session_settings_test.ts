/** What is set for a role or a database, and would change what the server answers or end a run that works. */

import { assertAlmostEquals, assertEquals, assertRejects } from "@std/assert";
import { StoreDeniedError } from "../../../engine/errors.ts";
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

for (const style of ["German", "SQL, DMY", "Postgres, MDY"]) {
  Deno.test(`Who holds the lock, and since when, is told where DateStyle is ${style}`, async () => {
    await using server = await startPostgres({ datestyle: style, timezone: "Asia/Kolkata" });
    const backend = backendOver(server.client(await server.createDatabase(), { max: 2 }));
    await using _holder = await locked(backend);
    await using other = await backend.connect();
    for (const owner of [await other.tryLock(null), await backend.lockOwner()]) {
      for (const time of [owner?.acquiredAt, owner?.heartbeatAt]) {
        assertAlmostEquals(time?.getTime() ?? NaN, Date.now(), 60_000);
      }
    }
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

Deno.test("A read is not ended by what is set for the short statements of an application", async () => {
  await using server = await startPostgres({ statement_timeout: "200ms" });
  const url = await server.createDatabase();
  const backend = backendOver(server.client(url, { max: 2 }));
  await migrateTo(backend, 10);
  const holder = await server.client(url, { max: 1 }).reserve();
  await holder.unsafe("BEGIN; LOCK TABLE events");
  const verified = backend.verify();
  // The server's own clock is what is waited for.
  await pause(600);
  await holder.unsafe("ROLLBACK");
  assertEquals((await verified).issues, []);
});

Deno.test("A schema whose name looks like the place of a value is migrated as any other", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  await server.client(url).unsafe('CREATE SCHEMA "app$1"');
  const backend = backendOver(server.client(url, { max: 2, connection: { search_path: '"app$1"' } }));
  await migrateTo(backend, 10);
  assertEquals((await backend.verify()).issues, []);
});

Deno.test("A schema that the role may not look into is an error, and never an empty one", async () => {
  await using server = await startPostgres();
  const url = await server.createDatabase();
  const owner = server.client(url, { max: 2 });
  await migrateTo(backendOver(owner), 10);
  await owner.unsafe(`
    CREATE ROLE blind LOGIN; REVOKE ALL ON SCHEMA public FROM PUBLIC; CREATE SCHEMA other; GRANT ALL ON SCHEMA other TO blind`);
  const blind = url.replace("postgres@", "blind@");
  for (const search_path of ['"$user", public', "public, other", "Public,other"]) {
    const connection = { search_path, standard_conforming_strings: "off" };
    const backend = backendOver(server.client(blind, { max: 2, connection }));
    await assertRejects(() => backend.read(), StoreDeniedError, 'may not look into the schema "public"');
    await assertRejects(() => locked(backend), StoreDeniedError, 'may not look into the schema "public"');
  }
  const elsewhere = backendOver(
    server.client(blind, { max: 2, connection: { search_path: "other, public" } }),
  );
  assertEquals((await elsewhere.read()).version, 0);
});
