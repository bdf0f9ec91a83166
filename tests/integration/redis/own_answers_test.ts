/** What an application's own migrations answer may be wrong: that ends a run, and never a record. */

import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import { createEngine, type Names } from "../../../engine/create_engine.ts";
import { ApplyError, RefusedError, RegistryError, StoreUnreachableError } from "../../../engine/errors.ts";
import { copyKeys, type CopyRules } from "../../../engine/redis/copy/copy_keys.ts";
import type { RedisMigration } from "../../../engine/redis/migration.ts";
import { transformRecords, type TransformRules } from "../../../engine/redis/transform/change.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { allKeys, getHash, putHash } from "../../support/redis_records.ts";

const REDIS = {
  deployment: "",
  stateKey: (name: string) => `shop:migration:${name}`,
  olderStates: () => [],
  donePhases: [],
  usedPrefixes: ["x:"],
  isIgnored: () => false,
};
const NAMES: Names = {
  tool: "shop",
  redis: REDIS,
  lock: { lock: "shop:lock", older: [], shared: ["shop:any:lock"], fence: "shop:fence" },
};
const groupOf = (key: string) => key;

function engineOf(
  redis: Redis | Cluster,
  changes: readonly RedisMigration["change"][],
  names: Names = NAMES,
) {
  const migrations = changes.map((change, i) => ({
    ...{ name: `00${i + 1}_change`, version: i + 1, description: "", change },
  }));
  const owner = { host: "shop-1", pid: 1 };
  return createEngine({ registry: { redis: migrations }, names, redis, version: "1.0.0", owner });
}

const copying = (rules: Partial<CopyRules> & Pick<CopyRules, "judge">) =>
  copyKeys({ pattern: "x:*", groupOf, ...rules });
const changing = (rules: Partial<TransformRules> & Pick<TransformRules, "change">) =>
  transformRecords({ pattern: "x:*", fields: ["v"], kindOf: () => "records", groupOf, ...rules });

const recordsOf = async (client: Redis | Cluster) =>
  (await allKeys(client)).filter((key) => !key.startsWith("shop:"));
const outcomesOf = ({ results }: { readonly results: readonly { outcome: string; processed?: number }[] }) =>
  results.map(({ outcome, processed }) => [outcome, processed]);
const countsOf = ({ results }: ApplyError) =>
  results.map((one) => [one.outcome, ..."processed" in one ? [one.processed, one.failed] : []]);

for (const where of ["one server", "a cluster"]) {
  const start = () => where === "a cluster" ? startRedisCluster() : startRedis();

  Deno.test(`apply() copies nothing over others that are to be copied, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    for (const key of ["x:1", "x:2"]) await putHash(client, key, { v: "1" });
    const swap = copying({ judge: (key) => ({ target: key === "x:1" ? "x:2" : "x:1", kind: "records" }) });
    const engine = engineOf(client, [swap]);
    await assertRejects(() => engine.plan(), RegistryError, "would be copied again");
    await assertRejects(() => engine.apply(), Error, "would be copied again");
    await assertRejects(() => engine.cleanup("redis/1", { force: true }));
    assertEquals(await recordsOf(client), ["x:1", "x:2"]);
  });

  Deno.test(`verify() and cleanup() compare what several migrations copy by the same field, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    const to = (from: string, name: string) =>
      copying({
        ...{ pattern: `${from}:*`, fields: ["v"], likely: (key) => `${name}${key}` },
        decide: (key, values) => values?.[0] == null ? null : { target: `${name}${key}`, kind: "records" },
        judge: () => null,
      });
    for (const key of ["x:1", "y:1"]) await putHash(client, key, { v: "1" });
    const engine = engineOf(client, [to("x", "new"), to("y", "new")]);
    assertEquals(outcomesOf(await engine.apply()), [["applied", 1], ["applied", 1]]);
    const found = async () =>
      (await engine.verify({ full: true })).redis.map((one) => [one.checksRun, one.valid]);
    assertEquals(await found(), [[1, true], [1, true]]);
    await putHash(client, "newx:1", { v: "2" });
    await putHash(client, "newy:1", { v: "2" });
    assertEquals(await found(), [[1, false], [1, false]]);
    for (const key of ["newx:1", "newy:1"]) await putHash(client, key, { v: "1" });
    for (const id of ["redis/1", "redis/2"]) {
      assertEquals((await engine.cleanup(id)).issues, []);
    }
    assertEquals(await recordsOf(client), ["newx:1", "newy:1"]);
  });

  Deno.test(`apply() refuses to make copies of copies, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    await putHash(client, "x:1", { v: "1" });
    const again = copying({ judge: (key) => ({ target: `${key}:new`, kind: "records" }) });
    await assertRejects(() => engineOf(client, [again]).apply(), Error, "would be copied again");
    assertEquals(await recordsOf(client), ["x:1"]);
  });

  Deno.test(`cleanup() takes no copy of another record for a newer form, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    const names = [..."abcdefghij"]; // Which of two is copied first, nobody knows: here and there it is the newer one.
    for (const name of names) {
      await putHash(client, `x:${name}`, { v: "1", updated_at: "1000000000000" });
      await putHash(client, `x:${name.toUpperCase()}`, { v: "2", updated_at: "1100000000000" });
    }
    const lower = copying({
      judge: (key) => ({ target: `y:${key.slice(2).toLowerCase()}`, kind: "records" }),
      times: ["updated_at"],
    });
    const engine = engineOf(client, [lower]);
    const failure: ApplyError = await assertRejects(() => engine.apply(), ApplyError, "differ");
    assertEquals(countsOf(failure), [["failed", 10, 10]]);
    await assertRejects(() => engine.cleanup("redis/1"));
    assertEquals((await recordsOf(client)).length, 30);
  });

  Deno.test(`apply() shows a change no key that its pattern does not match, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    for (const key of ["user:1", "cart:1", "copper:1", "profile:1"]) await putHash(client, key, { v: "a" });
    const to = (pattern: string, value: string) =>
      changing({ pattern, change: (_, [v]) => v === "a" ? ["v", value] : null });
    const profiles = copyKeys({
      pattern: "profile:*",
      judge: (key) => ({ target: `p:${key}`, kind: "profiles" }),
      groupOf,
    });
    const engine = engineOf(client, [profiles, to("user:*", "user"), to("cart:*", "cart")]);
    assertEquals(outcomesOf(await engine.apply()), [["applied", 1], ["applied", 1], ["applied", 1]]);
    const found = await Promise.all(
      ["user:1", "cart:1", "copper:1", "profile:1", "p:profile:1"].map((key) => getHash(client, key)),
    );
    assertEquals(found.map((record) => record?.v), ["user", "cart", "a", "a", "a"]);
    assertEquals((await engine.verify({ full: true })).ok, true);
  });

  Deno.test(`apply() shows migrations none of the engine's own keys, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    await putHash(client, "x:1", { v: "1" });
    const nothing = changing({ pattern: "*", change: (_, [v]) => v === "1" ? null : ["v", "1"] });
    const all = copyKeys({
      pattern: "*",
      judge: (key) => key.startsWith("new:") ? null : { target: `new:${key}`, kind: "records" },
      groupOf,
    });
    const engine = engineOf(client, [nothing, all]);
    await engine.apply({ ids: ["redis/1"] });
    assertEquals(outcomesOf(await engine.apply()), [["applied", 1]]);
    assertEquals((await engine.cleanup("redis/2")).deleted, 1);
    const { migrations } = await engine.list();
    assertEquals(migrations.map(({ status }) => status), ["applied", "applied"]);
    assertEquals(await recordsOf(client), ["new:x:1"]);
  });

  Deno.test(`apply() decides what is copied before later migrations change what decides, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    await putHash(client, "x:1", { v: "old" });
    const engine = engineOf(client, [
      copying({
        fields: ["v"],
        judge: (key, { values: [v] }) =>
          v === "old" && !key.includes("{") ? { target: `x:{${key.slice(2)}}`, kind: "records" } : null,
      }),
      changing({ change: (_, [v]) => v === "old" ? ["v", "new"] : null }),
    ]);
    assertEquals(outcomesOf(await engine.apply()), [["applied", 1], ["applied", 2]]);
    assertEquals(await getHash(client, "x:{1}"), { v: "new" });
  });

  Deno.test(`apply() says what recordOf() leaves open of a list, on ${where}`, async () => {
    await using server = await start();
    const client = server.client();
    await putHash(client, "x:list", { a: "1", note: "2" });
    const engine = engineOf(client, [copying({
      deletedAt: "deleted_at",
      lists: {
        recordOf: (_, field) => field === "note" ? null : { source: `x:${field}`, target: `y:${field}` },
        ownerOf: () => ({ source: "x:owner", target: "y:owner" }),
        ofCopy: () => null,
      },
      judge: () => ({ target: "y:list", kind: "lists" }),
    })]);
    await assertRejects(() => engine.apply(), Error, `"note" in the list "x:list"`);
    assertEquals(await recordsOf(client), ["x:list"]);
  });
}

Deno.test("plan() and apply() refuse what a migration must not answer, and change nothing", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "x:1", { v: "1" });
  const answers: readonly (readonly [RedisMigration["change"], string])[] = [
    [copying({ judge: () => ({ target: "", kind: "records" }) }), "its target is empty"],
    [copying({ judge: () => ({ target: "Łódź", kind: "records" }) }), "encodeText()"],
    [copying({ judge: () => undefined as never }), "no target is told"],
    [copying({ judge: () => fail() }), "judge() of"],
    [changing({ change: () => undefined as never }), "change() of"],
    [changing({ change: () => ["v", 5] as never }), "change() of"],
    [changing({ change: () => fail() }), "change() of"],
    [changing({ kindOf: () => fail(), change: () => null }), "kindOf() of"],
    [changing({ change: (_, [v]) => ["v", String(Number(v) + 1)] }), "would change again what it made"],
    [changing({ change: () => ["other", "1"] }), "would change again what it made"],
    [changing({ kindOf: (() => Promise.resolve(null)) as never, change: () => null }), "with a promise"],
    [changing({ mayBe: () => fail(), change: () => null }), "mayBe() of"],
    [changing({ lookalikes: { ...LOOKALIKES, isOne: () => fail() }, change: () => null }), "isOne() of"],
    [changing({ lookalikes: { ...LOOKALIKES, isOther: () => fail() }, change: () => null }), "isOther() of"],
    [copying({ questions: () => fail(), judge: () => null }), "questions() of"],
  ];
  for (const [change, message] of answers) {
    const engine = engineOf(client, [change]);
    await assertRejects(() => engine.plan(), RegistryError, message);
    await assertRejects(() => engine.apply(), Error, message);
    assertEquals(await engine.lockOwner(), null);
    assertEquals([await recordsOf(client), await getHash(client, "x:1")], [["x:1"], { v: "1" }]);
    await client.del("shop:migration:001_change");
  }
});

/** Each record is one, and no other. */
const LOOKALIKES = {
  pattern: "x:*",
  fields: ["v"],
  isOne: () => true,
  questions: () => [],
  isOther: () => false,
};

function fail(): never {
  throw new Error("it had a bad day");
}

Deno.test("list() and apply() say that a migration cannot tell whether it applies, and not that Redis is away", async () => {
  await using server = await startRedis();
  const client = server.client();
  const change = changing({ change: () => null });
  const answers = [
    [() => fail(), 'isApplicable() of the migration "001_change": it threw: it had a bad day'],
    [() => Promise.resolve(null), 'isApplicable() of the migration "001_change": it answered with a promise'],
    [() => Promise.reject(new Error("later")), "it answered with a promise"],
    [() => true, "it answered true"],
    [() => "", 'it answered ""'],
  ] as const;
  const answering = (isApplicable: () => unknown) => {
    const redis = [{ name: "001_change", version: 1, description: "", change, isApplicable }] as never;
    const owner = { host: "shop-1", pid: 1 };
    return createEngine({ registry: { redis }, names: NAMES, redis: client, version: "1.0.0", owner });
  };
  for (const [isApplicable, message] of answers) {
    const engine = answering(isApplicable);
    await assertRejects(() => engine.list(), RegistryError, message);
    await assertRejects(() => engine.apply(), RegistryError, message);
    await assertRejects(() => engine.init(), RegistryError, message);
  }
  assertEquals(await allKeys(client), []);
  assertEquals(outcomesOf(await answering(() => null).apply()), [["applied", 0]]);
  const [entry] = (await answering(() => "not here").list()).migrations;
  assertEquals([entry?.status, entry?.reason], ["not_applicable", "not here"]);
});

Deno.test("init() takes no answer of isIgnored() that is none for a fresh Redis", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "x:1", { v: "1" });
  const change = changing({ change: () => null });
  for (const isIgnored of [() => Promise.resolve(false) as never, () => fail()]) {
    const engine = engineOf(client, [change], { ...NAMES, redis: { ...REDIS, isIgnored } });
    await assertRejects(() => engine.init(), RegistryError, "isIgnored() of the names for Redis");
    assertEquals((await engine.list()).migrations.map(({ status }) => status), ["pending"]);
  }
});

Deno.test("verify() says that a migration cannot group its records", async () => {
  await using server = await startRedis();
  const client = server.client();
  for (let i = 0; i < 100; i++) await putHash(client, `x:${i}`, { v: "1" });
  const engine = engineOf(client, [changing({ change: () => null, groupOf: () => fail() })]);
  await engine.apply();
  await assertRejects(() => engine.verify(), RegistryError, "groupOf() of");
});

Deno.test("createEngine() refuses two keys of one name, and a registry that nobody checked", async () => {
  await using server = await startRedis();
  const client = server.client();
  const change = changing({ change: () => null });
  const one = { ...NAMES, redis: { ...REDIS, stateKey: () => "shop:state" } };
  assertThrows(() => engineOf(client, [change, change], one), RegistryError, `"shop:state"`);
  const same = { ...NAMES, lock: { ...NAMES.lock, fence: NAMES.lock.lock } };
  assertThrows(() => engineOf(client, [change], same), RegistryError, `"shop:lock"`);
  const redis = [{ name: "001_change", version: 2, description: "", change }];
  const owner = { host: "shop-1", pid: 1 };
  assertThrows(
    () => createEngine({ registry: { redis }, names: NAMES, redis: client, version: "1.0.0", owner }),
    RegistryError,
    "version 2",
  );
});

Deno.test("verify(), apply() and createEngine() refuse numbers by which nothing would be looked at, or never end", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "x:1", { v: "1" });
  const change = changing({ change: (_, [v]) => v === "2" ? null : ["v", "2"] });
  const engine = engineOf(client, [change]);
  for (const options of [{ batchSize: 0 }, { batchSize: -1 }, { maxRate: 0 }, { maxRate: NaN }]) {
    await assertRejects(() => engine.apply(options), RefusedError, Object.keys(options)[0]!);
  }
  assertEquals(await allKeys(client), ["x:1"]);
  await engine.apply();
  await assertRejects(() => engine.verify({ sample: 0 }), RefusedError, "sample");
  const wrong = {
    registry: {},
    names: NAMES,
    version: "1.0.0",
    owner: { host: "shop-1", pid: 1 },
    lockTtlMs: 0,
  };
  assertThrows(() => createEngine(wrong), RefusedError, "lockTtlMs");
});

Deno.test("what an application writes as classes counts with their methods, inherited ones too", async () => {
  await using server = await startRedis();
  const client = server.client();
  abstract class Records {
    readonly pattern = "x:*";
    readonly fields = ["v"];
    readonly #seen = new Set<string>();
    get seen() {
      return this.#seen.size;
    }
    groupOf(key: string) {
      this.#seen.add(key);
      return key;
    }
  }
  class Raised extends Records implements TransformRules {
    mayBe(key: string) {
      return key !== "x:spared";
    }
    kindOf(key: string) {
      return this.mayBe(key) ? "records" : null;
    }
    change(_kind: string, [v]: readonly (string | null)[]) {
      return v === "1" ? ["v", "2"] : null;
    }
  }
  class Named extends Records implements CopyRules {
    readonly lookalikes = new class {
      readonly pattern = "y:*";
      isOne() {
        return false;
      }
    }();
    to(key: string) {
      return { target: `new:${key}`, kind: "records" };
    }
    decide(key: string) {
      return this.to(key);
    }
    questions() {
      return [];
    }
    judge(key: string) {
      return this.to(key);
    }
  }
  class Migration implements RedisMigration {
    readonly description = "";
    constructor(readonly version: number, readonly change: RedisMigration["change"]) {}
    get name() {
      return `00${this.version}_class`;
    }
    isApplicable() {
      return this.version === 3 ? "There is nothing of it here" : null;
    }
  }
  for (const key of ["x:1", "x:spared", "y:1"]) await putHash(client, key, { v: "1" });
  const rules = new Raised();
  const engine = createEngine({
    registry: {
      redis: [
        new Migration(1, transformRecords(rules)),
        new Migration(2, copyKeys(new Named())),
        new Migration(3, transformRecords(new Raised())),
      ],
    },
    ...{ names: NAMES, redis: client, version: "1.0.0", owner: { host: "shop-1", pid: 1 } },
  });
  assertEquals((await engine.plan()).redis.map(({ estimatedItems }) => estimatedItems), [1, 2]);
  assertEquals(outcomesOf(await engine.apply()), [["applied", 1], ["applied", 2]]);
  assertEquals((await engine.list()).migrations.map(({ status }) => status), [
    "applied",
    "applied",
    "not_applicable",
  ]);
  assertEquals((await engine.verify()).redis.flatMap(({ issues }) => issues), []);
  assertEquals(rules.seen > 0, true);
  assertEquals(await recordsOf(client), ["new:x:1", "new:x:spared", "x:1", "x:spared", "y:1"]);
  assertEquals(await getHash(client, "x:spared"), { v: "1" });
});

Deno.test("a client in a transaction of its application's tells nothing: no lock, and never that anything is pending", async () => {
  await using server = await startRedis();
  const client = server.client();
  const engine = engineOf(client, [copying({ judge: () => null })]);
  await engine.apply();
  await client.multi({ pipeline: false });
  for (const ask of [() => engine.assertCurrent(), () => engine.lockOwner(), () => engine.apply()]) {
    await assertRejects(ask, StoreUnreachableError, "makes no sense");
  }
  await client.discard();
  await engine.assertCurrent();
});
