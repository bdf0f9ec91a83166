/** Records that are more than a server of a cluster takes at once: they are named. */

import { assertEquals, assertMatch } from "@std/assert";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyOne,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

/** What no server makes smaller, so many bytes. */
const random = (bytes: number) => Array.from({ length: bytes / 36 }, () => crypto.randomUUID()).join("");
const IDS = Array.from({ length: 20 }, (_, i) => `t${i}`);

Deno.test("apply() names a record that a server does not take for its size", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  for (const node of cluster.nodes) await node.client().config("SET", "proto-max-bulk-len", "1mb");
  for (const id of IDS) await putHash(client, `tenant:${id}`, tenantFields(id));
  for (const name of ["a", "b", "c"]) await putHash(client, "tenant:t0:large", { [name]: random(720_000) });
  const backend = outpostBackend(client);
  const { outcome, issues: [fault, issue = ""] } = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([outcome, fault], ["failed", "The server answered ERR"]);
  assertMatch(
    issue,
    /^tenant:t0:large: its 1\d{6} bytes, with what is sent along, are more than the server of tenant:{t0}:large takes at once \(proto-max-bulk-len\)$/,
  );
  // Which is what has to be raised.
  for (const node of cluster.nodes) await node.client().config("SET", "proto-max-bulk-len", "4mb");
  assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "applied");
  assertEquals(await getHash(client, "tenant:{t0}:large"), await getHash(client, "tenant:t0:large"));
});

Deno.test("settle() settles a record that is more than a server takes at once, and names it between nodes", async () => {
  for (const where of ["one server", "a cluster"]) {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const nodes = "nodes" in server ? server.nodes : [server];
    await putHash(client, "tenant:t0", tenantFields("t0"));
    await putHash(client, "tenant:t0:large", { a: "1" });
    await putHash(client, "tenant:t1", tenantFields("t1"));
    const backend = outpostBackend(client);
    await applyOne(backend, HASH_TAGS, { signal: NEVER });
    for (const name of ["a", "b", "c"]) await putHash(client, "tenant:t0:large", { [name]: random(720_000) });
    await putHash(client, "tenant:t1", { note: "new" });
    for (const node of nodes) await node.client().config("SET", "proto-max-bulk-len", "1mb");
    const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    const { resolved, issues } = await backend.settle(HASH_TAGS, found, "original", { signal: NEVER });
    if (where === "one server") assertEquals([resolved, issues], [2, []]);
    else {
      assertEquals([resolved, issues], [1, [
        "tenant:t0:large: left alone, the server of tenant:{t0}:large takes no such length (proto-max-bulk-len)",
      ]]);
      for (const node of nodes) await node.client().config("SET", "proto-max-bulk-len", "4mb");
      assertEquals((await backend.settle(HASH_TAGS, found, "original", { signal: NEVER })).resolved, 1);
    }
    assertEquals(await getHash(client, "tenant:{t0}:large"), await getHash(client, "tenant:t0:large"));
  }
});
