import { assert, assertEquals, assertRejects } from "@std/assert";
import { decodeText, encodeText } from "../../../engine/redis/binary.ts";
import { readFields } from "../../../engine/redis/bulk_reads.ts";
import { readFacts } from "../../../engine/redis/facts.ts";
import { writeFields } from "../../../engine/redis/transform/field_writes.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";

Deno.test("Names beyond ASCII are the same bytes wherever they are read and written", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const plain = new RedisStore(await server.reader());
  await client.hset("schlüssel", { größe: "groß", 日本: "東京" });
  const [key, fields] = [encodeText("schlüssel"), [encodeText("größe"), encodeText("日本")]];
  for (const reader of [store, plain]) {
    const [values] = await readFields(reader, [key], fields);
    assertEquals(values?.map((value) => decodeText(value ?? "")), ["groß", "東京"]);
    assertEquals((await readFacts(reader, [key], fields))(key).values, values);
  }
  const [values] = await readFields(store, [key], fields);
  const changes = [fields[0]!, encodeText("größer"), fields[1]!, encodeText("大阪")];
  assertEquals(await writeFields({ store, fence: undefined }, fields, [{ key, values: values!, changes }]), [
    "1",
  ]);
  assertEquals({ ...await client.hgetall("schlüssel") }, { größe: "größer", 日本: "大阪" });
});

Deno.test("Changes that are no pairs of bytes are refused, without a word of what is in the record", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  await client.hset("record", "field", "old");
  const before = { key: "other", values: ["older"], changes: ["field", "new"] };
  for (
    const [changes, message] of [
      [["field"], "field has no value"],
      [["field", "sécret 日本"], "the value of field is text"],
      [["field", "\ud800 secret"], "the value of field is text"],
      [["größe", "secret"], 'the name "größe" is text'],
    ] as const
  ) {
    const todo = [before, { key: "record", values: ["old"], changes }];
    const error = await assertRejects(
      () => writeFields({ store, fence: undefined }, ["field"], todo),
      TypeError,
      `Cannot change record: ${message}`,
    );
    assert(!error.message.includes("cret"), error.message);
  }
  assertEquals({ ...await client.hgetall("record") }, { field: "old" });
});

Deno.test("When one node of a cluster fails, nothing is at work on another any more", async () => {
  await using cluster = await startRedisCluster();
  const client = cluster.client();
  const todo = ["a", "b", "c", "d", "e", "f"].map((key) => ({
    key,
    values: ["old"],
    changes: ["field", "new"],
  }));
  await Promise.all(todo.map(({ key }) => client.hset(key, "field", "old")));
  const [first, ...others] = cluster.nodes.map((node) => node.client());
  await Promise.all(others.map((node) => node.call("CLIENT", "PAUSE", "500", "WRITE")));
  await first!.call("ACL", "SETUSER", "default", "-eval", "-evalsha");
  await assertRejects(
    () => writeFields({ store: new RedisStore(client), fence: undefined }, ["field"], todo),
    Error,
    "NOPERM",
  );
  const values = await Promise.all(todo.map(({ key }) => client.hget(key, "field")));
  assertEquals(new Set(values), new Set(["old", "new"])); // Those on the others had been written by then.
});
