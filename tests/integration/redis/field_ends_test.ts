/** Ends of single fields, which Redis 7.4 and Valkey 9 know: nothing that is written may drop them, nothing that is judged overlook them. */

import { assertEquals, assertRejects } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { StoreDeniedError } from "../../../engine/errors.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  bytes,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
const [OLD, NEW] = ["tenant:t:destination:d", "tenant:{t}:destination:d"];
const [LIST, LIST_COPY] = ["tenant:t:destinations", "tenant:{t}:destinations"];
const ENDS_AT = 4_102_444_800_123;

async function endField(client: Redis | Cluster, key: string, field: string, at = ENDS_AT): Promise<void> {
  await client.callBuffer("HPEXPIREAT", [bytes(key), String(at), "FIELDS", "1", field]);
}

/** When fields end, in Unix milliseconds; -1 for never. */
async function endsOf(client: Redis | Cluster, key: string, fields: readonly string[]): Promise<number[]> {
  const args = [bytes(key), "FIELDS", String(fields.length), ...fields];
  return (await client.callBuffer("HPEXPIRETIME", args) as unknown[]).map(Number);
}

/** A tenant with a destination, of which two fields end: one that 002 converts, and one that nothing does. */
async function put(client: Redis | Cluster): Promise<void> {
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, OLD, destinationFieldsOf("d"));
  await putHash(client, LIST, { d: "{}" });
  await endField(client, OLD, "updated_at");
  await endField(client, OLD, "credentials", ENDS_AT + 1);
}

const missing = await (async () => {
  await using server = await startRedis();
  const known = await server.client().call("COMMAND", "INFO", "HPEXPIREAT") as unknown[];
  return known[0] === null || known.length === 0;
})();
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({
    name: missing ? `${name} (left out: this server knows no ends of fields)` : name,
    ignore: missing,
    fn,
  });

for (const where of ["one server", "a cluster"]) {
  test(`fields of records keep their ends through all migrations and cleanup, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    await put(client);
    const backend = outpostBackend(client);
    assertEquals((await applyAll(backend)).map(({ outcome }) => outcome), ["applied", "applied", "applied"]);
    const fields = ["updated_at", "credentials", "created_at", "entity"];
    const ends = [ENDS_AT, ENDS_AT + 1, -1, -1];
    assertEquals(await endsOf(client, NEW, fields), ends);
    assertEquals((await getHash(client, NEW))?.updated_at, "1705368600500");
    assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
    assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).kept, 0);
    assertEquals(await endsOf(client, NEW, fields), ends);
  });

  test(`a field whose end alone differs is named, kept and settled, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    await put(client);
    const backend = outpostBackend(client);
    await applyAll(backend);
    await endField(client, OLD, "updated_at", ENDS_AT + 5);
    const difference = `${OLD}: its copy ${NEW} is different`;
    assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, [difference]);
    if ("reader" in server) {
      assertEquals((await outpostBackend(await server.reader()).verify([HASH_TAGS], FULL))[0]?.issues, [
        difference,
      ]);
    }
    const { kept, issues } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
    assertEquals([kept, issues], [1, [difference]]);
    const shown = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    assertEquals((await backend.settle(HASH_TAGS, shown, "original", { signal: NEVER })).resolved, 1);
    assertEquals(await endsOf(client, NEW, ["updated_at", "credentials"]), [ENDS_AT + 5, ENDS_AT + 1]);
    assertEquals((await getHash(client, NEW))?.updated_at, "1705368600500");
    assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).kept, 0);
  });
}

test("who may not ask when fields end is told so, and neither drops an end nor deletes what may differ in one", async () => {
  await using server = await startRedis();
  const client = server.client();
  await put(client);
  await applyAll(outpostBackend(client));
  await endField(client, OLD, "updated_at", ENDS_AT + 5);
  await putHash(client, NEW, { updated_at: "2024-01-16T00:00:00.5-01:30" });
  await endField(client, NEW, "updated_at");
  await client.call("ACL", "SETUSER", "few", "on", ">pw", "~*", "+@all", "-hpexpiretime");
  const backend = outpostBackend(server.client({ username: "few", password: "pw" }));
  const asked = {
    apply: () => applyOne(backend, TIMESTAMPS, { signal: NEVER, rerun: true }),
    verify: () => backend.verify([HASH_TAGS], FULL),
    cleanup: () => backend.cleanup(HASH_TAGS, { signal: NEVER }),
  };
  for (const [name, ask] of Object.entries(asked)) {
    const error: StoreDeniedError = await assertRejects(ask, StoreDeniedError, "HPEXPIRETIME", name);
    assertEquals(error.hintWith((command) => `shop ${command}`)?.includes("shop grants"), true, name);
  }
  assertEquals(await endsOf(client, NEW, ["updated_at"]), [ENDS_AT]);
  assertEquals(await endsOf(client, OLD, ["updated_at"]), [ENDS_AT + 5]);
});

test("ends of single fields of a long summary count, and are settled too", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, LIST, Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`d${i}`, "{}"])));
  await endField(client, LIST, "d4000");
  const backend = outpostBackend(client);
  await applyAll(backend);
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, []);
  await endField(client, LIST_COPY, "d4000", ENDS_AT + 1);
  const difference = `${LIST}: its copy ${LIST_COPY} is different`;
  assertEquals((await backend.verify([HASH_TAGS], FULL))[0]?.issues, [difference]);
  assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).issues, [difference]);
  const shown = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  assertEquals((await backend.settle(HASH_TAGS, shown, "copy", { signal: NEVER })).resolved, 1);
  assertEquals(await endsOf(client, LIST, ["d4000", "d1"]), [ENDS_AT + 1, -1]);
  assertEquals((await backend.cleanup(HASH_TAGS, { signal: NEVER })).kept, 0);
});
