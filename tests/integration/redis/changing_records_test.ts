/** Records that an application changes again and again, each time between being read and being written. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { runInProcess } from "../../support/cli.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyOne,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";
import { connectRedis } from "../../../cli/stores/redis.ts";

const CREATED = "2024-01-15T10:30:00Z";
const CREATED_MS = "1705314600000";
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** A Redis of which a script that writes, and names a key, is held until something has happened. */
async function start(key: string) {
  await using stack = new AsyncDisposableStack();
  const redis = stack.use(await startRedis());
  const client = redis.client();
  let act: ((time: number) => Promise<void>) | null = null;
  let times = 0;
  const proxy = stack.use(startFaultProxy({
    protocol: "redis",
    target: redis.port,
    async decide({ name, text }) {
      const writes = /^EVAL(SHA)?$/.test(name) && ` ${text} `.includes(` ${key} `);
      if (writes && act !== null) await act(++times);
      return null;
    },
  }));
  const moved = stack.move();
  return {
    client,
    times: () => times,
    /** Runs a command while the application acts before each such script. */
    async run(line: string, happens: (time: number) => Promise<void>) {
      [act, times] = [happens, 0];
      const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(proxy.port) };
      try {
        return await runInProcess(["migrate", ...line.split(" "), "--redis-only", "--yes"], { env });
      } finally {
        act = null;
      }
    },
    [Symbol.asyncDispose]: () => moved.disposeAsync(),
  };
}

Deno.test(
  "a record that is changed between read and write is read again, and named when that never ends",
  quietly,
  async () => {
    const key = "tenant:{t}:tenant";
    await using server = await start(key);
    const { client, run } = server;
    const change = (time: number) =>
      client.hset(key, { updated_at: new Date(1_700_000_000_000 + time * 1000).toISOString() });
    await client.hset(key, { id: "t", created_at: CREATED });
    const few = await run("apply redis/1 redis/2", async (time) => void (time <= 4 && await change(time)));
    assertEquals(few.code, 0, few.stderr);
    assert(server.times() > 4);
    assertEquals(await client.hmget(key, "created_at", "updated_at"), [CREATED_MS, "1700000004000"]);
    await client.hset(key, { updated_at: CREATED });
    const endless = await run("apply redis/2 --rerun", async (time) => void await change(time));
    assertEquals(endless.code, 1);
    assertStringIncludes(endless.stdout, "it changed each time before it could be written");
    assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "failed");
  },
);

Deno.test(
  "an original that is changed between read and copy is read again, and named when that never ends",
  quietly,
  async () => {
    const key = "tenant:a:destination:b";
    await using server = await start(key);
    const { client, run } = server;
    // By turns a destination that is alive and what is left of one: its fields tell, and both are to be copied.
    const change = async (time: number) => {
      if (time % 2 === 0) await client.hset(key, { id: "b", created_at: CREATED });
      else await client.multi().del(key).hset(key, { deleted_at: CREATED }).exec();
    };
    await client.hset(key, { id: "b", type: "webhook", created_at: CREATED });
    const few = await run("apply redis/1", async (time) => void (time <= 4 && await change(time)));
    assertEquals(few.code, 0, few.stderr);
    assertEquals(await client.hget("tenant:{a}:destination:b", "id"), "b");
    await client.flushall();
    await client.hset(key, { id: "b", type: "webhook", created_at: CREATED });
    const endless = await run("apply redis/1", change);
    assertEquals(endless.code, 1);
    assertStringIncludes(endless.stdout, "it changed each time before it could be copied");
  },
);

for (
  const [how, originalAt, copyAt] of [
    ["is the same", (time: number) => 1_705_314_600_000 + time, (time: number) => 1_705_314_600_000 + time],
    ["is newer", () => 1_705_314_600_000, (time: number) => 4_102_444_800_000 + time],
  ] as const
) {
  Deno.test(
    `an original whose copy ${how} is judged again when they change before it is deleted, and kept when that never ends`,
    quietly,
    async () => {
      const [key, copy] = ["tenant:t", "tenant:{t}:tenant"];
      await using server = await start(key);
      const { client, run } = server;
      await client.hset(key, { id: "t", created_at: CREATED, updated_at: CREATED });
      assertEquals((await run("apply", () => Promise.resolve())).code, 0);
      // What was judged is not what is there, and just as good.
      const change = async (time: number) => {
        await client.hset(key, { updated_at: new Date(originalAt(time)).toISOString() });
        await client.hset(copy, { updated_at: String(copyAt(time)) });
      };
      const endless = await run("cleanup redis/1 --force", change);
      assertEquals(endless.code, 1);
      assertStringIncludes(endless.stdout, "it changed each time before it could be deleted");
      assertEquals(await client.exists(key), 1);
      const few = await run(
        "cleanup redis/1 --force",
        async (time) => void (time <= 4 && await change(time)),
      );
      assertEquals([few.code, await client.exists(key)], [0, 0]);
    },
  );
}

Deno.test(
  "an original that is written to while it is read is not deleted for what was read before",
  quietly,
  async () => {
    const [key, copy] = ["tenant:t:queue", "tenant:{t}:queue"];
    await using redis = await startRedis();
    const client = redis.client();
    let [act, reads]: [(() => Promise<unknown>) | null, number] = [null, 0];
    await using proxy = startFaultProxy({
      protocol: "redis",
      target: redis.port,
      async decide({ name, text }) {
        const isRead = ["LRANGE", "DUMP"].includes(name) && text.split(" ").includes(key);
        if (isRead && ++reads === 2) await act?.(); // Between what it holds and the proof that it is still that.
        return null;
      },
    });
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(proxy.port) };
    const run = (line: string) =>
      runInProcess(["migrate", ...line.split(" "), "--redis-only", "--yes"], { env });
    await client.hset("tenant:t", { id: "t", created_at: CREATED });
    await client.rpush(key, "first");
    assertEquals((await run("apply")).code, 0);
    [reads, act] = [0, () => client.rpush(key, "second")];
    const cleanup = await run("cleanup redis/1 --force");
    assertEquals([cleanup.code, reads > 1], [1, true], cleanup.stdout);
    assertStringIncludes(cleanup.stdout, "its copy tenant:{t}:queue is different");
    assertEquals(await client.lrange(key, 0, -1), ["first", "second"]);
    assertEquals(await client.lrange(copy, 0, -1), ["first"]);
  },
);

Deno.test(
  "between nodes a copy follows its original, and is named when that never ends",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const application = cluster.client();
    const client = connectRedis({
      ...{ host: "127.0.0.1", port: cluster.ports[0]!, username: "", password: "", database: 0 },
      ...{ cluster: true, tls: false, tlsCa: null, tlsInsecure: false, clusterHostOverride: false },
    });
    const connected = client as unknown as { callBuffer(name: string, args: unknown[]): Promise<unknown> };
    const send = connected.callBuffer.bind(client);
    let [times, most] = [0, 3];
    // READ_WHOLE is all that is evaluated with the original's name alone.
    connected.callBuffer = async (name, args) => {
      if (name.startsWith("EVAL") && args.some((arg) => String(arg) === "tenant:t") && ++times <= most) {
        await application.hset("tenant:t", {
          updated_at: new Date(1_700_000_000_000 + times * 1000).toISOString(),
        });
      }
      return await send(name, args);
    };
    for (const [limit, outcome] of [[3, "applied"], [Infinity, "failed"]] as const) {
      for (const node of cluster.nodes) await node.client().flushall();
      await putHash(application, "tenant:t", tenantFields("t"));
      [times, most] = [0, limit];
      const result = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER });
      assertEquals(result.outcome, outcome, result.issues.join());
      if (outcome === "failed") assertStringIncludes(result.issues.join(), "it changed each time");
      else {
        const [a, b] = [
          await application.hgetall("tenant:t"),
          await application.hgetall("tenant:{t}:tenant"),
        ];
        assertEquals(b, a);
      }
    }
    client.disconnect();
  },
);

Deno.test(
  "a run ends only when what it records is written, and cleanup keeps to its rate and its batches",
  quietly,
  async () => {
    await using redis = await startRedis();
    const client: Redis = redis.client();
    let decide: (text: string) => { type: "delay"; ms: number } | { type: "error"; code: "OOM" } | null =
      () => null;
    let scripts = 0;
    await using proxy = startFaultProxy({
      protocol: "redis",
      target: redis.port,
      decide: ({ name, text }) => {
        if (/^EVAL(SHA)?$/.test(name) && /tenant:t\d+ /.test(text)) scripts++;
        return /^EVAL(SHA)?$/.test(name) ? decide(text) : null;
      },
    });
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(proxy.port) };
    const run = (line: string) =>
      runInProcess(["migrate", ...line.split(" "), "--redis-only", "--yes"], { env });
    await client.hset("tenant:{t}:tenant", { id: "t", created_at: "never" });
    decide = (text) => text.includes("status failed") ? { type: "delay", ms: 200 } : null;
    assertEquals((await run("apply")).code, 1);
    assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "failed");

    await client.flushall();
    await client.hset("dp_1:tenant:{t}:tenant", { id: "t", created_at: CREATED });
    decide = (text) => text.includes("status not_applicable") ? { type: "error", code: "OOM" } : null;
    assert((await run("apply --deployment-id dp_1")).code !== 0);
    decide = () => null;
    assertEquals((await run("apply --deployment-id dp_1")).code, 0);

    await client.flushall();
    for (let i = 0; i < 40; i++) await client.hset(`tenant:t${i}`, { id: `t${i}`, created_at: CREATED });
    assertEquals((await run("apply")).code, 0);
    scripts = 0;
    const began = performance.now();
    assertEquals((await run("cleanup redis/1 --force --batch-size 4 --max-rate 40")).code, 0);
    assert(performance.now() - began > 700, "a batch passes at once, and 36 take 0.9 s");
    assert(scripts >= 10, `${scripts} batches`);
  },
);
