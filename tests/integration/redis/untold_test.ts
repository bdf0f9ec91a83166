/** What a server cannot tell now, such as a busy one, is not taken for what no server like it tells, or what it tells nobody like this user. */

import { assertEquals, assertRejects } from "@std/assert";
import type { Redis } from "ioredis";
import { StoreDeniedError, StoreUnreachableError } from "../../../engine/errors.ts";
import { readOwnSlots } from "../../../engine/redis/own_slots.ts";
import type { Command, RedisErrorCode } from "../../support/faults/fault.ts";
import { startFaultProxy } from "../../support/faults/fault_proxy.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

/** What asks, which command that sends, and what becomes of it where this user may not run that. */
const CASES: Readonly<
  Record<string, {
    readonly asks: (command: Command) => boolean;
    /** Another command that is refused as well. */
    readonly denies?: string;
    readonly run: (clients: { readonly writer: Redis; readonly reader: Redis }) => Promise<unknown>;
    readonly denied: readonly unknown[] | typeof StoreDeniedError;
  }>
> = {
  "whether there is room for copies": {
    asks: ({ name }) => name === "MEMORY",
    run: ({ writer }) => outpostBackend(writer).blockers([HASH_TAGS]),
    denied: [],
  },
  "what the user may do": {
    asks: ({ name, text }) => name === "EVAL_RO" && text.includes("acl_check_cmd"),
    run: ({ writer }) => outpostBackend(writer).blockers([HASH_TAGS]),
    denied: [],
  },
  "what the user may do, on a server before 7.0": {
    asks: ({ name, text }) => name === "EVAL" && text.includes("acl_check_cmd"),
    denies: "EVAL_RO",
    run: async ({ writer }) => (await outpostBackend(writer).blockers([HASH_TAGS])).map(({ kind }) => kind),
    denied: ["rights"],
  },
  "when fields end, without scripts": {
    asks: ({ name }) => name === "HPEXPIRETIME",
    run: async ({ reader }) => {
      const [told] = await outpostBackend(reader).verify([HASH_TAGS], {
        signal: NEVER,
        full: true,
        sample: 0,
      });
      return told?.issues;
    },
    denied: StoreDeniedError, // Two forms may differ in that alone.
  },
};

const FAILING: readonly RedisErrorCode[] = ["BUSY", "LOADING", "CLUSTERDOWN", "OOM"];

for (const [name, { asks, denies, run, denied }] of Object.entries(CASES)) {
  Deno.test(`a server that cannot tell now is not passed over: ${name}`, async () => {
    await using server = await startRedis();
    await putHash(server.client(), "tenant:t", tenantFields("t"));
    await applyAll(outpostBackend(server.client()));
    await putHash(server.client(), "tenant:u", tenantFields("u"));
    await server.client().config("SET", "maxmemory", "100mb");
    await server.reader();
    for (const code of [...FAILING, "NOPERM" as const]) {
      let met = 0;
      await using proxy = startFaultProxy({
        protocol: "redis",
        target: server.port,
        decide: (command) => {
          if (command.name === denies) return { type: "error", code: "NOPERM" };
          if (!asks(command)) return null;
          met++;
          return { type: "error", code };
        },
      });
      const client = (user = {}) => server.client({ port: proxy.port, enableReadyCheck: false, ...user });
      const asking = () => run({ writer: client(), reader: client({ username: "reader", password: "pw" }) });
      if (code !== "NOPERM") await assertRejects(asking, StoreUnreachableError, code);
      else if (typeof denied === "function") await assertRejects(asking, denied);
      else assertEquals(await asking(), denied);
      assertEquals(met > 0, true, code);
    }
  });
}

Deno.test("a master that cannot tell now how many keys a slot on the move has is not taken for one that tells nobody", async () => {
  await using cluster = await startRedisCluster(2);
  const [one, other] = cluster.nodes.map((node) => node.client()) as [Redis, Redis];
  await one.call("CLUSTER", "SETSLOT", 5000, "MIGRATING", String(await other.call("CLUSTER", "MYID")));
  let code: RedisErrorCode = "BUSY";
  await using proxy = startFaultProxy({
    protocol: "redis",
    target: cluster.ports[0]!,
    decide: ({ text }) => text.includes("COUNTKEYSINSLOT") ? { type: "error", code } : null,
  });
  const client = cluster.nodes[0]!.client({ port: proxy.port });
  for (code of FAILING) await assertRejects(() => readOwnSlots(client), Error, code);
  code = "NOPERM";
  assertEquals((await readOwnSlots(client)).open.map(({ slot }) => slot), [5000]);
});
