import { assertEquals } from "@std/assert";
import { lockOwner, unlock } from "../../../engine/unlock.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { backendOver, locked } from "../postgres/deployment.ts";

Deno.test("lockOwner() tells who holds the SQL half when nobody holds the other, with Redis and without", async () => {
  await using postgres = await startPostgres();
  await using redis = await startRedis();
  const backend = backendOver(postgres.client(await postgres.createDatabase(), { max: 2 }));
  const names = { lock: "outpost:migration:lock", older: [], fence: "outpost:migration:fence" };
  const owner = { host: "test", pid: 1 };
  for (const half of [null, { client: redis.client(), names }]) {
    const context = { lock: { redis: half, owner }, sql: new Map([["postgres", backend]] as const) };
    assertEquals(await lockOwner(context), null);
    await using _session = await locked(backend);
    assertEquals((await lockOwner(context))?.source, "postgres");
    if (half !== null) continue;
    const { cleared, owner: told } = await unlock(context, {});
    assertEquals([cleared, told?.source], [[], "postgres"]);
  }
});
