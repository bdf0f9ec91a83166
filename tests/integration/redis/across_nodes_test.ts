import { assert, assertEquals, assertGreater } from "@std/assert";
import type { Cluster } from "ioredis";
import { startRedisCluster } from "../../support/redis.ts";
import { eventually } from "../../support/server.ts";
import {
  allKeys,
  applyAll,
  applyOne,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

const IDS = ["a", "b", "c"];
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** A client whose process dies before it sends its next script that writes, after so many. */
function mortal(client: Cluster, writes: number): Cluster & { readonly died: boolean } {
  const connected = client as unknown as {
    died: boolean;
    sendCommand(
      command: { name: string; promise: unknown; reject(error: Error): void },
      ...rest: unknown[]
    ): unknown;
  };
  const send = connected.sendCommand.bind(client);
  connected.died = false;
  connected.sendCommand = (command, ...rest) => {
    if (/^eval(sha)?$/i.test(command.name)) connected.died ||= writes-- <= 0;
    if (!connected.died) return send(command, ...rest);
    command.reject(new TypeError("This process is dead"));
    return command.promise;
  };
  return client as Cluster & { readonly died: boolean };
}

Deno.test(
  "apply() copies between nodes what a run left that died before any of its writes",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    let at = 0;
    for (let died = true; died; at++) {
      for (const node of cluster.nodes) await node.client().flushall();
      for (const id of IDS) await putHash(client, `tenant:${id}`, tenantFields(id));
      const one = mortal(cluster.client(), at);
      const first = await applyOne(outpostBackend(one), HASH_TAGS, { signal: NEVER }).catch(() => null);
      died = one.died;
      one.disconnect();
      assert(died || first?.outcome === "applied");
      const second = await applyOne(outpostBackend(client), HASH_TAGS, { signal: NEVER, rerun: true });
      assertEquals([second.outcome, second.failed], ["applied", 0], `after ${at} writes`);
      for (const id of IDS) {
        assertEquals((await getHash(client, `tenant:{${id}}:tenant`))?.id, id, `after ${at} writes`);
      }
      assertEquals((await allKeys(client)).filter((key) => key.includes("copying")), []);
    }
    assertGreater(at, 6);
  },
);

Deno.test("apply() copies between nodes at once what its server is still growing the tables of, and counts it", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  // One field more than its table had room for, and values too long for any other form.
  const fields = { ...destinationFieldsOf("d"), config: "x".repeat(100), metadata: "{}" };
  const COUNT = 30;
  for (let i = 0; i < COUNT; i++) {
    for (const [name, value] of Object.entries(fields)) {
      await putHash(client, `tenant:t${i}:destination:d`, { [name]: value });
    }
  }
  for (const node of cluster.nodes) await node.client().config("RESETSTAT");
  const results = await applyAll(outpostBackend(client));
  assertEquals(
    results.map(({ outcome, processed }) => [outcome, processed]),
    Array(3).fill(["applied", COUNT]),
  );
  const restored = await Promise.all(cluster.nodes.map(async (node) => {
    const statistics = await node.client().info("commandstats");
    return Number(/cmdstat_restore:calls=(\d+)/.exec(statistics)?.[1] ?? 0);
  }));
  assertEquals(restored.reduce((sum, count) => sum + count, 0), COUNT);
});

Deno.test("cleanup() knows a string for the same that its copy's node dumps otherwise", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  await cluster.nodes[0]!.client().config("SET", "rdbcompression", "no");
  for (let i = 0; i < 30; i++) await client.set(`tenant:t${i}:notes`, "x".repeat(1000));
  const backend = outpostBackend(client);
  await applyAll(backend);
  const [verified] = await backend.verify([HASH_TAGS], { signal: NEVER, full: true, sample: 0 });
  assertEquals([verified!.checksRun, verified!.issues], [30, []]);
  const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [30, 0]);
});

/** Has a client send a script only when something else is done. @param isMeant Told whether a script is given a key. */
function delay(
  client: Cluster,
  isMeant: (names: (key: string) => boolean) => boolean,
  before: () => Promise<unknown>,
): void {
  const connected = client as unknown as {
    sendCommand(command: { name: string; args: unknown[]; promise: unknown }, ...rest: unknown[]): unknown;
  };
  const send = connected.sendCommand.bind(client);
  connected.sendCommand = (command, ...rest) => {
    const names = (key: string) => command.args.some((argument) => String(argument) === key);
    if (!/^eval(sha)?$/i.test(command.name) || !isMeant(names)) return send(command, ...rest);
    before().then(() => void send(command, ...rest));
    return command.promise;
  };
}

const [SOURCE, TARGET] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];

Deno.test(
  "apply() makes no copy between nodes of what has ended before that is written",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const [client, other] = [cluster.client(), cluster.client()];
    let held = false;
    const isMeant = (names: (key: string) => boolean) => !held && (held = names(TARGET));
    delay(client, isMeant, () => eventually(async () => assertEquals(await other.exists(SOURCE), 0)));
    for (let ms = 500; !held; ms *= 2) {
      await putHash(other, SOURCE, destinationFieldsOf("d"));
      await other.pexpire(SOURCE, ms);
      await applyAll(outpostBackend(client));
    }
    assertEquals(await getHash(other, TARGET), null);
  },
);

Deno.test(
  "apply() counts for all migrations what changes while it is copied between nodes",
  quietly,
  async () => {
    await using cluster = await startRedisCluster();
    const client = cluster.client();
    await putHash(client, SOURCE, destinationFieldsOf("d"));
    let state: "before" | "written" | "changed" = "before";
    const isMeant = (names: (key: string) => boolean) => {
      if (state === "before" && names(TARGET)) state = "written";
      if (state !== "written" || !names(SOURCE)) return false;
      state = "changed";
      return true;
    };
    delay(client, isMeant, () => cluster.client().hset(SOURCE, { updated_at: "2100-01-01T00:00:00Z" }));
    const results = await applyAll(outpostBackend(client));
    assertEquals(state, "changed");
    assertEquals(
      results.map(({ outcome, processed, skipped }) => [outcome, processed, skipped]),
      Array(3).fill(["applied", 1, 0]),
    );
    assertEquals((await getHash(client, TARGET))?.updated_at, "4102444800000");
  },
);

Deno.test("settle() settles between nodes hashes of many fields that their servers are still growing the tables of", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const [source, target] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];
  await putHash(client, source, destinationFieldsOf("d"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  for (const keep of ["original", "copy"] as const) {
    for (const key of [source, target]) {
      await client.del(key);
      // One field more than the table has room for.
      const names = Array.from(
        { length: 1025 - Object.keys(destinationFieldsOf("d")).length },
        (_, i) => `f${i}`,
      );
      const fields = { ...destinationFieldsOf("d"), ...Object.fromEntries(names.map((name) => [name, key])) };
      for (const [name, value] of Object.entries(fields)) await putHash(client, key, { [name]: value });
    }
    const found = await backend.differences(HASH_TAGS, [source], { signal: NEVER });
    const { resolved, issues } = await backend.settle(HASH_TAGS, found, keep, { signal: NEVER });
    assertEquals([resolved, issues], [1, []]);
    const kept = keep === "original" ? source : target;
    for (const key of [source, target]) assertEquals(await client.hget(key, "f1000"), kept);
  }
});
