/** A server may name a key more than once, while its tables grow or shrink, and a walk over a cluster that moves begins anew. */

import { assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import { startRedis } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  ENTITY,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

/** Has each page of keys come with all of them twice. */
function namingTwice(client: Redis): Redis {
  const send = client.callBuffer.bind(client) as unknown as (...args: unknown[]) => Promise<unknown>;
  Object.assign(client, {
    async callBuffer(command: string, ...args: unknown[]) {
      const reply = await send(command, ...args);
      if (command !== "SCAN") return reply;
      const [next, keys] = reply as [unknown, unknown[]];
      return [next, [...keys, ...keys]];
    },
  });
  return client;
}

Deno.test("A record that was accepted as it is counts once, however often the server names it", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 3; i++) await putHash(client, `tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
  for (const id of ["x", "y"]) {
    await putHash(client, `tenant:{${id}}:tenant`, { id, created_at: "yesterday" });
  }
  const backend = outpostBackend(namingTwice(server.client()));
  await applyOne(backend, TIMESTAMPS, { signal: NEVER, skipInvalid: true });
  assertEquals((await getHash(client, "outpost:migration:002_timestamps"))?.skipped_invalid, "2");
  const verify = async () => {
    const [found] = await backend.verify([TIMESTAMPS], { signal: NEVER, full: true, sample: 0 });
    return [found!.valid, found!.accepted, found!.issues];
  };
  assertEquals(await verify(), [true, 2, []]);
  // One more came later, and nobody accepted it.
  await putHash(client, "tenant:{z}:tenant", { id: "z", created_at: "yesterday" });
  assertEquals((await verify()).slice(0, 2), [false, 2]);
});

Deno.test("verify() counts a record that is not as it should be once, however often the server names it", async () => {
  await using server = await startRedis();
  const client = server.client();
  const backend = outpostBackend(namingTwice(server.client()));
  await putHash(client, "tenant:a", tenantFields("a"));
  await applyAll(backend);
  await putHash(client, "tenant:a", { note: "written under the old name since" });
  await putHash(client, "tenant:{b}:tenant", tenantFields("b"));
  const found = await backend.verify([HASH_TAGS, ENTITY], { signal: NEVER, full: true, sample: 0 });
  assertEquals(found.map(({ undecided, issues }) => [undecided, issues]), [
    [1, ["tenant:a: its copy tenant:{a}:tenant is different"]],
    [0, ["tenant:{b}:tenant: it is not converted"]],
  ]);
});
