/** The program itself, stopped for longer than its lease at whatever it was doing, while another one does the work. */

import { assert, assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import { runCli, spawnCli } from "../../support/cli.ts";
import { startRedis } from "../../support/redis.ts";
import { allKeys, getHash, putHash, snapshot, tenantFields } from "../../support/redis_records.ts";
import { eventually, stop } from "../../support/server.ts";

const RECORDS = 400;

/**
 * All but the local leases. The sleeper's heartbeat may leave one when it wakes, for half a lease: none of its writes goes with it,
 * for it is good only after a renewal of the lease, which is somebody else's by then or gone.
 */
async function records(client: Redis): Promise<Map<string, string>> {
  const all = await snapshot(client);
  return new Map([...all].filter(([key]) => !key.startsWith("outpost:migration:fence:")));
}

Deno.test("migrate apply that was stopped past its lease changes nothing when it wakes, wherever that was", async () => {
  await using server = await startRedis();
  const client = server.client();
  // As many writes in, each time, as the number says; the last one stops before its first.
  const rounds = [1500, 900, 420, 60, 0];
  while (rounds.length > 0) {
    const writes = rounds.shift()!;
    await client.flushall();
    for (let i = 0; i < RECORDS; i++) await putHash(client, `tenant:t${i}`, tenantFields(`t${i}`));
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
    const args = ["migrate", "apply", "--yes", "--redis-only"];
    const paused = spawnCli([...args, "--lock-ttl", "2s", "--max-rate", "300", "--batch-size", "20"], {
      env,
    });
    await using _end = { [Symbol.asyncDispose]: () => stop(paused) };
    await eventually(async () => {
      const owner = await client.get("outpost:migration:lock");
      if (owner === null) throw new Error("It has not taken the lock yet");
      if (writes <= RECORDS) assert((await allKeys(client)).length >= RECORDS + writes);
      else {
        const key = `outpost:migration:00${writes > 1200 ? 3 : 2}_${writes > 1200 ? "entity" : "timestamps"}`;
        assert(await client.exists(key) === 1);
      }
    });
    try {
      paused.kill("SIGSTOP");
    } catch {
      // It has ended.
    }
    if (await client.exists("outpost:migration:lock") === 0) {
      // On a busy machine it may be done before it can be stopped: once more.
      rounds.unshift(writes);
      continue;
    }
    const done = await runCli([...args, "--lock-ttl", "10s"], { env });
    assertEquals(done.code, 0, done.stderr);
    // What the sleeper would do if it could: records that are to be done again, and a state that is not applied.
    await putHash(client, "tenant:{late}:tenant", tenantFields("late"));
    await putHash(client, "tenant:older", tenantFields("older"));
    await client.hset("outpost:migration:002_timestamps", "status", "failed");
    const before = await records(client);
    paused.kill("SIGCONT");
    const { code, stderr } = await paused.output();
    const told = new TextDecoder().decode(stderr);
    assertEquals(code, 3, told);
    assert(told.includes("[lock_lost]"), told);
    assertEquals(await records(client), before);
    assertEquals((await getHash(client, "tenant:{t7}:tenant"))?.entity, "tenant");
  }
});
