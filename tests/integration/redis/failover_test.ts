/** What a run records when another server takes over that lacks what was written, and what it waits for. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { keySlot } from "../../../engine/redis/hash_slot.ts";
import { startProxy } from "../../support/proxy.ts";
import { startRedisCluster, startReplica } from "../../support/redis.ts";
import {
  applyOne,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";
import { follows, startPair } from "../../support/redis_pair.ts";
import { eventually } from "../../support/server.ts";

const CONVERTED = "1705289400123";

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

async function seed(client: Redis, count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, (_, i) => `t${i}`);
  await Promise.all(ids.map((id) => putHash(client, `tenant:{${id}}:tenant`, tenantFields(id))));
  return ids;
}

/** Calls back before a client sends the outcome of a run. */
function beforeOutcome(client: { callBuffer: unknown }, act: () => Promise<void>): void {
  const send = (client.callBuffer as (...args: unknown[]) => Promise<unknown>).bind(client);
  let acted = false;
  client.callBuffer = async (name: string, args: unknown[]) => {
    if (!acted && name.startsWith("EVAL") && args.includes("applied_at")) {
      acted = true;
      await act();
    }
    return await send(name, args);
  };
}

Deno.test(
  "apply() is not recorded on a server that took over and lacks what was written, and does it there",
  quietly,
  async () => {
    await using pair = await startPair();
    const { primary, replica, link } = pair;
    await using way = startProxy(primary.port);
    const ids = await seed(primary.client(), 600);
    await eventually(async () => assertEquals(await replica.client().dbsize(), ids.length));
    const client = primary.client({ port: way.port, maxRetriesPerRequest: 20, retryStrategy: () => 20 });
    let cut = false;
    beforeOutcome(client, async () => {
      assert(cut);
      await replica.client().call("REPLICAOF", "NO", "ONE");
      way.redirect(replica.port);
    });
    const result = await applyOne(outpostBackend(client), TIMESTAMPS, {
      signal: NEVER,
      batchSize: 20,
      maxRate: 2000,
      onProgress: ({ processed }) => {
        if (cut || processed < 100) return;
        cut = true;
        link.close(); // From now on the replica gets nothing, and the primary has none to wait for.
      },
    });
    assertEquals(result.outcome, "applied");
    const left = [];
    for (const id of ids) {
      const found = await getHash(replica.client(), `tenant:{${id}}:tenant`);
      if (found?.created_at !== CONVERTED) left.push(id);
    }
    assertEquals(left, []);
    assertEquals((await getHash(replica.client(), "outpost:migration:002_timestamps"))?.status, "applied");
  },
);

Deno.test("apply() does not call itself applied while a replica does not confirm what was written", async () => {
  await using pair = await startPair();
  const { primary, replica, link } = pair;
  await seed(primary.client(), 200);
  await eventually(async () => assertEquals(await replica.client().dbsize(), 200));
  const backend = outpostBackend(primary.client());
  link.stall();
  const result = await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  assertEquals([result.outcome, result.processed, result.failed], ["failed", 200, 0]);
  assertStringIncludes(result.issues[0]!, "does not confirm what was written");
  const entry = (await backend.read()).entries[1]!;
  assertEquals(entry.status, "failed");
  assertStringIncludes(entry.reason!, "does not confirm what was written");
  link.cut();
  await follows(replica);
  assertEquals((await applyOne(backend, TIMESTAMPS, { signal: NEVER })).outcome, "applied");
  // What is recorded as applied is on the replica, every record of it.
  for (let i = 0; i < 200; i++) {
    assertEquals((await getHash(replica.client(), `tenant:{t${i}}:tenant`))?.created_at, CONVERTED);
  }
});

Deno.test(
  "apply() looks at everything again when a master's replica took over that lacks what was written",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    await using replica = await startReplica(cluster, 0);
    const client = cluster.client();
    const ids = Array.from({ length: 600 }, (_, i) => `t${i}`);
    await Promise.all(ids.map((id) => putHash(client, `tenant:{${id}}:tenant`, tenantFields(id))));
    const [own, master] = [replica.client(), cluster.nodes[0]!.client()];
    await eventually(async () => assertEquals(await own.dbsize(), await master.dbsize()));
    let cut: Promise<unknown> | undefined;
    beforeOutcome(client, async () => {
      await cut;
      await own.call("CLUSTER", "FAILOVER", "TAKEOVER");
      await eventually(async () => assertEquals((await master.role())[0], "slave"));
    });
    const result = await applyOne(outpostBackend(client), TIMESTAMPS, {
      signal: NEVER,
      batchSize: 20,
      maxRate: 1500,
      onProgress: ({ processed }) => {
        if (processed < 100) return;
        cut ??= (async () => {
          await own.config("SET", "masteruser", "nobody"); // It gets no further, and its master has none to wait for.
          await own.config("SET", "masterauth", "nothing");
          await master.call("CLIENT", "KILL", "TYPE", "replica");
        })();
      },
    });
    assert(cut !== undefined);
    assertEquals([result.outcome, result.failed], ["applied", 0]);
    const left = [];
    for (const id of ids) {
      if ((await getHash(client, `tenant:{${id}}:tenant`))?.created_at !== CONVERTED) left.push(id);
    }
    assertEquals(left, []);
  },
);

Deno.test(
  "apply() waits for the successor of a master that dies when all is done, and looks at what that holds",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    // The state is recorded on another master than the one that dies.
    const dying = keySlot("outpost:migration:002_timestamps") < 5461 ? 1 : 0;
    await using replica = await startReplica(cluster, dying);
    const client = cluster.client();
    const ids = Array.from({ length: 300 }, (_, i) => `t${i}`);
    await Promise.all(ids.map((id) => putHash(client, `tenant:{${id}}:tenant`, tenantFields(id))));
    let scans = 0;
    let taking: Promise<void> | undefined;
    beforeOutcome(client, async () => {
      const statistics = await replica.client().info("commandstats");
      scans = Number(/cmdstat_scan:calls=(\d+)/.exec(statistics)?.[1] ?? 0);
      Deno.kill(cluster.nodes[dying]!.pid, "SIGKILL");
      taking = (async () => {
        // Only once the others have missed it; and Redis 6.2 would not take over by itself here.
        const other = cluster.nodes[(dying + 1) % 3]!.client();
        await eventually(async () =>
          assertStringIncludes(String(await other.call("CLUSTER", "NODES")), "fail")
        );
        await replica.client().call("CLUSTER", "FAILOVER", "TAKEOVER");
      })();
    });
    const result = await applyOne(outpostBackend(client), TIMESTAMPS, { signal: NEVER });
    await taking;
    assertEquals([result.outcome, result.processed, result.skipped >= 300], ["applied", 300, true]);
    const statistics = await replica.client().info("commandstats");
    assert(
      Number(/cmdstat_scan:calls=(\d+)/.exec(statistics)?.[1] ?? 0) > scans,
      "nobody looked at the successor",
    );
  },
);

Deno.test("cleanup() deletes nothing before the replicas have confirmed the copies", async () => {
  await using pair = await startPair();
  const { primary, replica, link } = pair;
  const client = primary.client();
  for (let i = 0; i < 50; i++) await putHash(client, `tenant:t${i}`, tenantFields(`t${i}`));
  const backend = outpostBackend(client);
  await applyOne(backend, HASH_TAGS, { signal: NEVER });
  link.stall();
  await client.set("more", "that the replica does not get");
  const kept = await backend.cleanup(HASH_TAGS, { signal: NEVER }).catch((error: Error) => error.message);
  assertStringIncludes(String(kept), "does not confirm what was written");
  assertEquals((await client.keys("tenant:t*")).length, 50);
  link.cut();
  await follows(replica);
  assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).deleted, 50);
});
