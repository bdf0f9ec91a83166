import { assertEquals } from "@std/assert";
import { RedisStore } from "../../../engine/redis/store.ts";
import { COPY } from "../../../engine/redis/scripts/copying.ts";
import { packOrders } from "../../../engine/redis/transform/field_writes.ts";
import { startRedis } from "../../support/redis.ts";

type Fields = Record<string, string>;

/** What was read of `n` and `m`, the original as it is by then, what is at the copy's name, and what COPY says. `m` is to be set. */
const CASES: [
  read: [string | null, string | null],
  original: Fields | string | null,
  copy: Fields | null,
  says: string,
][] = [
  [["1", null], { n: "1", x: "y" }, null, "c"],
  [["1", "2"], { n: "1", m: "2" }, null, "c"],
  [[null, null], { x: "y" }, null, "c"],
  [["1", null], { n: "1" }, { n: "other" }, "~"],
  [["1", null], { n: "2" }, null, "0"],
  [["1", null], { n: "1", m: "2" }, null, "0"],
  [["1", "2"], { n: "1" }, null, "0"],
  [["1", "2"], { n: "2", m: "1" }, null, "0"],
  [[null, null], { n: "" }, null, "0"],
  [["", null], { x: "y" }, null, "0"],
  [["1", null], "no hash any more", null, "0"],
  [[null, null], "no hash any more", null, "0"],
  [["1", null], null, null, "-"],
  [[null, null], null, null, "-"],
  [["1", null], null, { n: "1" }, "-"],
];

Deno.test("COPY copies what is as it was read, and nothing else", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  for (const [i, [, original, copy]] of CASES.entries()) {
    if (typeof original === "string") await client.set(`old${i}`, original);
    else if (original !== null) await client.hset(`old${i}`, original);
    if (copy !== null) await client.hset(`new${i}`, copy);
  }
  const keys = CASES.flatMap((_, i) => [`old${i}`, `new${i}`]);
  const orders = CASES.map(([values]) => ({ key: "", values, changes: ["m", "3"] }));
  const says = await store.write(COPY, keys, [packOrders(["n", "m"], orders)], undefined);
  for (const [i, [read, original, copy, wanted]] of CASES.entries()) {
    assertEquals(says[i], wanted, `${read} read of ${JSON.stringify(original)}`);
    const found = await client.hgetall(`new${i}`);
    assertEquals({ ...found }, wanted === "c" ? { ...original as Fields, m: "3" } : copy ?? {});
  }
});

Deno.test("COPY copies a record of another type than a hash while it is one of that type", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  await client.rpush("list", "member");
  await client.hset("hash", "n", "1");
  const orders = ["list", "list", "list"].map((type) => ({ key: "", type, values: [null], changes: [] }));
  const keys = ["list", "new:list", "hash", "new:hash", "none", "new:none"];
  assertEquals(await store.write(COPY, keys, [packOrders(["n"], orders)], undefined), "c0-");
  assertEquals(await client.lrange("new:list", 0, -1), ["member"]);
});
