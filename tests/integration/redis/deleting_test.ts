import { createHash } from "node:crypto";
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { Rows } from "../../../engine/redis/bulk_reads.ts";
import { type Order, partSame } from "../../../engine/redis/copy/orders.ts";
import { BatchSize, ReplyClock } from "../../../engine/redis/walk/pacing.ts";
import { DELETE_PROVEN, DELETE_SAME } from "../../../engine/redis/scripts/deleting.ts";
import { RedisStore } from "../../../engine/redis/store.ts";
import { packOrders } from "../../../engine/redis/transform/field_writes.ts";
import { startRedis } from "../../support/redis.ts";

type Fields = Readonly<Record<string, string>>;

/** Original, copy, and what the script is to say of them; read was `{ n: "1" }`, and `m`, which was not there, is to be `2`. */
const CASES:
  readonly (readonly [original: Fields | null, copy: Fields | null, answer: string, why: string])[] = [
    [{ n: "1", x: "y" }, { n: "1", x: "y", m: "2" }, "1", "the copy is what is made of the original"],
    [{ x: "y", n: "1" }, { m: "2", n: "1", x: "y" }, "1", "fields have no order"],
    [{ n: "1", x: "y" }, { n: "1", x: "y" }, "?", "the copy is the original, not converted"],
    [{ n: "1", x: "y" }, { n: "1", x: "z", m: "2" }, "?", "another value"],
    [{ n: "1", x: "y" }, { n: "1", m: "2" }, "?", "a field less"],
    [{ n: "1", x: "y" }, { n: "1", x: "y", m: "2", o: "p" }, "?", "a field more"],
    [{ n: "1", x: "y" }, { n: "1", x: "y", m: "3" }, "?", "a field more that is to be another"],
    [{ n: "1", x: "y" }, null, "?", "no copy"],
    [{ n: "2", x: "y" }, { n: "2", x: "y" }, "0", "not as it was read"],
    [{ n: "1", m: "2" }, { n: "1", m: "2" }, "0", "more than was read"],
    [{ x: "y" }, { x: "y" }, "0", "less than was read"],
    [null, { n: "1" }, "-", "it is gone"],
    [{ n: "1", x: "y".repeat(200_000) }, { n: "1", x: "y".repeat(200_000) }, "?", "too large to look at"],
  ];

Deno.test("DELETE_SAME deletes originals that are the same as their copies, and no others", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const order = { key: "", values: ["1", null], changes: ["m", "2"] };
  for (const [end, ends] of [[0, "together"], [1, "apart"]] as const) {
    for (const [i, [original, copy]] of CASES.entries()) {
      if (original !== null) await client.hset(`old${i}`, original);
      if (copy !== null) await client.hset(`new${i}`, copy);
      await client.pexpireat(`old${i}`, 4_102_444_800_000);
      await client.pexpireat(`new${i}`, 4_102_444_800_000 + end);
    }
    const keys = CASES.flatMap((_, i) => [`old${i}`, `new${i}`]);
    const args = [packOrders(["n", "m"], CASES.map(() => order))];
    const answers = [...await store.write(DELETE_SAME, keys, args, undefined)];
    const wanted = CASES.map(([, , answer]) => answer === "1" && end === 1 ? "?" : answer);
    CASES.forEach(([, , , why], i) => assertEquals(answers[i], wanted[i], `${why}, ends ${ends}`));
    for (const [i, [original]] of CASES.entries()) {
      assertEquals(await client.exists(`old${i}`), original === null || answers[i] === "1" ? 0 : 1);
    }
    await client.flushall();
  }
});

Deno.test("any original and any copy are the same if their fields say so, in whatever order these are", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  // Few names and values, so that much is the same by chance. `n` and `m` were read, `m` and `o` are to be set.
  const anyField = fc.tuple(fc.constantFrom(..."nmoxyz"), fc.constantFrom(..."123"));
  const anyOriginal = fc.tuple(
    fc.uniqueArray(anyField, { selector: ([name]) => name }),
    fc.boolean(), // As it was read.
  ).map(([fields, asRead]) => {
    const others = fields.filter(([name]) => !asRead || !"nm".includes(name));
    return asRead || others.length === 0 ? [["n", "1"] as const, ...others] : others;
  });
  const anyCopy = fc.record({
    converted: fc.boolean(),
    other: fc.option(anyField),
    gone: fc.option(fc.constantFrom(..."nmoxyz")),
    places: fc.array(fc.nat(), { minLength: 8, maxLength: 8 }),
    shuffled: fc.boolean(),
  });
  const read = ["1", null], set = ["m", "2", "o", "3"];
  const pairs = fc.array(fc.tuple(anyOriginal, anyCopy), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(pairs, async (pairs) => {
      await client.flushall();
      const expected = await Promise.all(pairs.map(async ([original, change], i) => {
        const fields = new Map(original);
        if (change.converted) fields.set("m", "2").set("o", "3");
        if (change.other !== null) fields.set(...change.other);
        if (change.gone !== null) fields.delete(change.gone);
        if (fields.size === 0) fields.set("x", "1");
        const copy = [...fields].map((field, at) => [field, change.places[at]!] as const);
        if (change.shuffled) copy.sort(([, one], [, other]) => one - other);
        await client.hset(`old${i}`, ...original.flat());
        await client.hset(`new${i}`, ...copy.flatMap(([field]) => field));
        const [before, now, wanted] = [new Map(original), fields, new Map(original)];
        if ((before.get("n") ?? null) !== read[0] || (before.get("m") ?? null) !== read[1]) return "changed";
        wanted.set("m", "2").set("o", "3");
        return now.size === wanted.size && [...wanted].every(([name, value]) => now.get(name) === value);
      }));
      const orders = pairs.map(() => ({ key: "", values: read, changes: set }));
      const args = [packOrders(["n", "m"], orders)];
      const keys = pairs.flatMap((_, i) => [`old${i}`, `new${i}`]);
      const told: Order[] = pairs.map(([original], i) => ({
        ...{ source: `old${i}`, target: `new${i}`, kind: "any", type: "hash", outcomes: [] },
        ...{ values: [...read, new Map(original).get("o") ?? null], changes: set },
      }));
      const chain = { fields: ["n", "m", "o"], links: [] };
      // Of some the copy was read with the original, of some another record, and of some none.
      const copyOf = (key: string) => [key.replace("old", "new"), key, null][Number(key.slice(3)) % 3]!;
      const rows = await Rows.read(store, told.map(({ source }) => source), chain.fields, { copyOf });
      const size = new BatchSize(new ReplyClock(), "records");
      const { same, others } = await partSame(store, chain, told, rows, size);
      assertEquals(same.length + others.length, told.length);
      assertEquals(told.map((order) => same.includes(order)), expected.map((same) => same === true));
      const found = await store.write(DELETE_SAME, keys, args, undefined);
      expected.forEach((same, i) => {
        // What was changed meanwhile and differs too may be told as either.
        if (same === "changed") assert("0?".includes(found[i]!));
        else assertEquals(found[i], same ? "1" : "?");
      });
    }),
    { numRuns: 200 },
  );
});

Deno.test("DELETE_SAME takes no record of another type for the same, and answers for no more than is quick", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const orders = Array.from({ length: 40 }, () => ({ key: "", values: [null], changes: [] }));
  const args = [packOrders(["n"], orders)];
  const keys = orders.flatMap((_, i) => [`old${i}`, `new${i}`]);
  for (const key of keys) await client.rpush(key, "member");
  assertEquals(await store.write(DELETE_SAME, keys, args, undefined), "?".repeat(40));
  await client.flushall();
  for (const key of keys) await client.hset(key, { x: "y".repeat(50_000) });
  const answer = await store.write(DELETE_SAME, keys, args, undefined);
  assertEquals(answer, "1".repeat(answer.length));
  assertEquals(answer.length < 10, true, answer);
});

Deno.test("DELETE_PROVEN deletes an original only while it and its copy are what was judged, and end when they did", async () => {
  await using server = await startRedis();
  const client = server.client();
  const store = new RedisStore(client);
  const keys = ["old", "new"];
  const END = 4_102_444_800_000;
  const since: readonly (readonly [answer: string, why: string, change: () => Promise<unknown>])[] = [
    ["1", "nothing has changed", () => Promise.resolve()],
    ["0", "the original holds something else", () => client.hset("old", "n", "2")],
    ["0", "the copy holds something else", () => client.hset("new", "n", "2")],
    ["0", "the original ends later", () => client.pexpireat("old", END + 1)],
    ["0", "the copy ends later", () => client.pexpireat("new", END + 1)],
    ["0", "the copy never ends", () => client.persist("new")],
    ["0", "the copy is gone", () => client.del("new")],
    ["-", "the original is gone", () => client.del("old")],
  ];
  for (const [answer, why, change] of since) {
    await client.flushall();
    const judged: string[] = [];
    for (const key of keys) {
      await client.hset(key, "n", "1");
      await client.pexpireat(key, END);
      const digest = createHash("sha1").update((await client.dumpBuffer(key))!).digest("hex");
      judged.push(digest, String(END));
    }
    await change();
    assertEquals(await store.write(DELETE_PROVEN, keys, judged, undefined), answer, why);
    assertEquals(await client.exists("old"), answer === "0" ? 1 : 0, why);
  }
});
