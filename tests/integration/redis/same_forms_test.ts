import { assertEquals } from "@std/assert";
import type { Redis } from "ioredis";
import { Rows } from "../../../engine/redis/bulk_reads.ts";
import { type Order, partSame } from "../../../engine/redis/copy/orders.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { BatchSize, ReplyClock } from "../../../engine/redis/walk/pacing.ts";
import { startRedis } from "../../support/redis.ts";

const CHAIN = { fields: ["n"], links: [] };
const copyOf = (key: string) => key.replace("old", "new");

/** Parts `old0` and so on from `new0` and so on, all of which are to be as they are. @returns Which are the same. */
async function sameOf(client: Redis, count: number, guess?: typeof copyOf): Promise<boolean[]> {
  const store = new RedisStore(client);
  const orders: Order[] = Array.from({ length: count }, (_, i) => ({
    ...{ source: `old${i}`, target: `new${i}`, kind: "any", type: "hash", outcomes: [] },
    ...{ values: ["1"], changes: [] },
  }));
  const rows = await Rows.read(store, orders.map(({ source }) => source), CHAIN.fields, { copyOf: guess });
  const { same } = await partSame(store, CHAIN, orders, rows, new BatchSize(new ReplyClock(), "records"));
  return orders.map((order) => same.includes(order));
}

Deno.test("forms are compared within the server, whoever guessed the copy, as many as are not too much at once", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 60; i++) {
    await client.hset(`old${i}`, { n: "1", x: "y".repeat(30_000) });
    await client.hset(`new${i}`, { n: "1", x: "y".repeat(30_000) });
  }
  await client.hset("new7", { n: "2" });
  await client.config("RESETSTAT");
  const expected = Array.from({ length: 60 }, (_, i) => i !== 7);
  assertEquals(await sameOf(client, 60, copyOf), expected);
  assertEquals(await sameOf(client, 60), expected);
  assertEquals(await sameOf(client, 60, (key) => key), expected);
  const [, calls] = /cmdstat_evalsha_ro:calls=(\d+)/.exec(await client.info("commandstats"))!;
  // Two megabytes of originals, a quarter of one at a time.
  assertEquals(Number(calls) >= 3 * 7, true, calls);
});

Deno.test("forms that a server cannot compare are left to others", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 6; i++) {
    await client.hset(`old${i}`, { n: "1" });
    await client.hset(`new${i}`, { n: "1" });
  }
  await client.del("new1");
  await client.del("new2");
  await client.rpush("new2", "member");
  await client.pexpire("new3", 1e9);
  for (const key of ["old4", "new4"]) await client.hset(key, { x: "y".repeat(100_000) });
  await client.del("old5");
  for (const guess of [copyOf, undefined]) {
    assertEquals(await sameOf(client, 6, guess), [true, false, false, false, false, false]);
  }
});

Deno.test("forms are left to others where a user has no scripts", async () => {
  await using server = await startRedis();
  const client = server.client();
  await client.hset("old0", { n: "1" });
  await client.hset("new0", { n: "1" });
  await client.call("ACL", "SETUSER", "plain", "on", ">secret", "~*", "+@all", "-@scripting");
  const plain = server.client({ username: "plain", password: "secret" });
  for (const guess of [copyOf, undefined]) assertEquals(await sameOf(plain, 1, guess), [false]);
});
