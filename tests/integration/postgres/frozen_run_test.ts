/** A run that stands still for good, after whichever of its messages to the server that was. */

import { assert, assertEquals } from "@std/assert";
import type { SqlBackend } from "../../../engine/sql_backend.ts";
import { startPostgres } from "../../support/postgres.ts";
import { eventually } from "../../support/server.ts";
import { type FreezingProxy, startFreezingProxy } from "../../support/freezing_proxy.ts";
import { backendOver, running } from "./deployment.ts";
import { stepOf } from "./test_step.ts";

/** Length of a lease, in milliseconds. */
const LEASE_MS = 250;
const STEP = stepOf([
  { text: "LOCK TABLE notes", locks: { tables: ["notes"], mode: "ACCESS EXCLUSIVE" } },
  { text: "UPDATE notes SET id = id + 1" },
]);
const LEASE = { lease: { lockName: "outpost:migration:lock", ttlMs: LEASE_MS } };

async function migrate(backend: SqlBackend, lease: string): Promise<void> {
  await using session = await backend.connect();
  const held = await session.tryLock(lease);
  if (held !== null) throw new Error(`It is locked: ${JSON.stringify(held)}`);
  await session.up(1, running({ beforeCommit: () => session.ping() }));
}

Deno.test("A run that stands still keeps nobody from the tables nor the lock for much longer than a lease, wherever it stands", async () => {
  await using server = await startPostgres();
  /** @returns False where the run needed fewer messages. */
  const freezeAfter = async (messages: number): Promise<boolean> => {
    const url = await server.createDatabase();
    const sql = server.client(url, { max: 1 });
    await sql.unsafe("CREATE TABLE notes (id int); INSERT INTO notes VALUES (1)");
    await using proxy: FreezingProxy = startFreezingProxy(server.port, messages);
    const through = new URL(url);
    through.port = String(proxy.port);
    const frozen = migrate(backendOver(server.client(through.href, { max: 1 }), { ...STEP, ...LEASE }), "old")
      .catch(() => {});
    const end = await Promise.race([frozen.then(() => "done"), proxy.frozen.then(() => "frozen")]);
    if (end === "done") return false;
    const next = backendOver(server.client(url, { max: 1 }), { ...STEP, ...LEASE });
    await sql.unsafe("SET lock_timeout = '60s'");
    await sql.unsafe("SELECT count(*) FROM notes");
    // A busy machine may need more than a lease for a read, which the server would end like one that is frozen.
    if ((await backendOver(server.client(url, { max: 1 }), STEP).read()).version === 0) {
      await eventually(() => migrate(next, "new"));
    }
    const rows = await sql<{ id: number }[]>`SELECT id FROM notes`;
    assertEquals(rows.map(({ id }) => id), [2], `frozen after message ${messages}`);
    proxy.cut();
    await frozen;
    return true;
  };
  let more = true;
  let first = 1;
  // Side by side: each waits for the end of a lease.
  for (; more; first += 8) {
    const frozen = await Promise.all(Array.from({ length: 8 }, (_, i) => freezeAfter(first + i)));
    more = frozen.every((one) => one);
  }
  assert(first > 25, `there were ${first} messages at most: too few for a step`);
});
