import { assert, assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import { startRedis } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  destinationFieldsOf,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
/** More than are read at once. */
const FIELDS = 3000;
const SUMMARY = "tenant:t:destinations";

/** A tenant with a long summary. */
async function putLong(client: Redis, fields = FIELDS) {
  await putHash(client, "tenant:t", tenantFields("t"));
  const entries = Array.from({ length: fields }, (_, i) => [`des_${i}`, `{"id":"des_${i}"}`]);
  await client.hset(SUMMARY, Object.fromEntries(entries));
}

Deno.test("a long summary is copied, verified and cleaned up, and no single command tells all of it", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putLong(client);
  const backend = outpostBackend(client);
  await client.config("RESETSTAT");
  await applyAll(backend);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
  const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [2, 0]);
  assertEquals(await client.hlen("tenant:{t}:destinations"), FIELDS);
  const statistics = String(await client.info("commandstats"));
  const calls = (name: string) =>
    Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(statistics)?.[1] ?? 0);
  assert(calls("hscan") > 20);
  assertEquals([calls("hkeys"), calls("dump")], [0, 0]);
});

Deno.test("cleanup() keeps a long summary that is touched while it is judged", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putLong(client);
  await applyAll(outpostBackend(client));
  const application = server.client();
  // The application writes before each deletion, and what it writes is what was there: nothing in the record tells.
  const touched = client as unknown as { duplicate(options: object): Redis };
  const duplicate = touched.duplicate.bind(client);
  let transactions = 0;
  touched.duplicate = (options) => {
    const connection = duplicate(options);
    const own = connection.callBuffer.bind(connection) as (...args: unknown[]) => Promise<unknown>;
    connection.callBuffer = (async (name: string, args: unknown[]) => {
      if (name === "MULTI") {
        transactions++;
        await application.hset(SUMMARY, "des_1", '{"id":"des_1"}');
      }
      return await own(name, args);
    }) as typeof connection.callBuffer;
    return connection;
  };
  const { deleted, kept } = await outpostBackend(client).cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [1, 1]);
  assert(transactions > 1);
  assertEquals(await application.hlen(SUMMARY), FIELDS);
});

Deno.test("records with large values are read a few at a time", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 12; i++) {
    await putHash(client, `tenant:t:destination:b${i}`, {
      ...destinationFieldsOf(`b${i}`),
      config: "x".repeat(1 << 20),
    });
  }
  const backend = outpostBackend(client);
  await applyAll(backend);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
  const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [12, 0]);
});

Deno.test("a summary to which the application has added thousands since is judged all the same", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, SUMMARY, { d: "{}" });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const added = Array.from({ length: 20_000 }, (_, i) => [`new_${i}`, "{}"]);
  await client.hset("tenant:{t}:destinations", Object.fromEntries(added));
  const different = `${SUMMARY}: its copy tenant:{t}:destinations is different`;
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, [different]);
  const { deleted, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, issues], [0, [different]]);
  assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true })).issues, [different]);
});

Deno.test("settle() writes a long summary, and no single command tells all of it", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putLong(client);
  const backend = outpostBackend(client);
  await applyAll(backend);
  await client.hset("tenant:{t}:destinations", "new", "{}");
  await client.config("RESETSTAT");
  const found = await backend.differences(HASH_TAGS, [SUMMARY], { signal: NEVER });
  assertEquals((await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER })).resolved, 1);
  assertEquals(await client.hlen(SUMMARY), FIELDS + 1);
  const statistics = String(await client.info("commandstats"));
  assert(statistics.includes("cmdstat_hscan:"));
  assertEquals(/cmdstat_dump:/.exec(statistics), null);
});
