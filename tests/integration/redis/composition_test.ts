/**
 * Migrations that an application puts together, copies and changes in place in any order: however often a run is cut off, the end is
 * that of one migration after the other over every record.
 */

import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import fc from "fast-check";
import type { Cluster, Redis } from "ioredis";
import {
  ApplyError,
  copyKeys,
  createEngine,
  createRegistry,
  type RedisClient,
  type RedisMigration,
  transformRecords,
} from "../../../mod.ts";
import { CountedClient } from "../../../testing/counted_client.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import { allKeys, expiryOf, getHash, putHash } from "../../support/redis_records.ts";

/** Keys begin with the letter of a form; a change in place means some forms, a copy leads from one to a later one. */
interface Place {
  readonly type: "place";
  readonly forms: string;
  /** Appends to the value that others decide by, or sets a field of its own, from that of another migration too. */
  readonly appends: boolean;
  readonly reads: number;
  /** Cannot convert records whose value begins with this digit; null for none. */
  readonly refuses: string | null;
}
interface Copy {
  readonly type: "copy";
  readonly from: string;
  readonly to: string;
  readonly which: "all" | "odd" | "set by the first";
  readonly guesses: boolean;
  readonly tellsWhere: boolean;
}
type Part = Place | Copy;
type Fields = Readonly<Record<string, string>>;
interface Stored {
  fields: Fields;
  readonly endsAt: number;
}

/** What a part sets, and where a record goes: the same for the migrations and for the oracle. */
const ownField = (at: number) => `set by ${at}`;
const isRefused = ({ refuses }: Place, value: string | null) => refuses !== null && value?.[0] === refuses;
function changesOf({ appends, reads }: Place, at: number, valueOf: (field: string) => string | null) {
  const value = valueOf("v");
  if (appends) return value === null || value.includes(`.${at}.`) ? null : ["v", `${value}.${at}.`];
  const own = ownField(at);
  return valueOf(own) !== null ? null : [own, `${value}, ${valueOf(ownField(reads))}`];
}
const targetOf = ({ to }: Copy, at: number, key: string) => `${to}:${at}{${key}}`;
function isCopied({ from, which }: Copy, key: string, valueOf: (field: string) => string | null): boolean {
  if (!key.startsWith(`${from}:`)) return false;
  if (which === "odd") return Number.parseInt(valueOf("v") ?? "0") % 2 === 1;
  return which === "all" || valueOf(ownField(0)) !== null;
}

function migrationOf(part: Part, at: number): RedisMigration {
  const about = { name: `00${at + 1}_${part.type}`, version: at + 1, description: "" };
  const groupOf = (key: string) => key;
  if (part.type === "place") {
    const fields = [...new Set(["v", ownField(at), ownField(part.reads)])];
    const change = transformRecords({
      ...{ pattern: `[${part.forms}]:*`, fields, groupOf, kindOf: () => "records" },
      change: (_kind, values) => {
        const valueOf = (field: string) => values[fields.indexOf(field)] ?? null;
        return isRefused(part, valueOf("v")) ? { invalid: "v" } : changesOf(part, at, valueOf);
      },
    });
    return { ...about, change };
  }
  const fields = ["v", ownField(0)];
  const change = copyKeys({
    ...{ pattern: `${part.from}:*`, fields, groupOf, times: ["at"] },
    ...(part.tellsWhere ? { amongCopies: `${part.to}:*` } : {}),
    ...(part.guesses ? { likely: (key) => targetOf(part, at, key) } : {}),
    judge: (key, { type, values }) =>
      type === "hash" && isCopied(part, key, (field) => values[fields.indexOf(field)] ?? null)
        ? { target: targetOf(part, at, key), kind: "records" }
        : null,
  });
  return { ...about, change };
}

/**
 * The oracle: one migration after the other, over every record that is there.
 *
 * @param left Records to leave alone, such as those that could not be converted; is added to.
 * @returns How many each concerns.
 */
function applyAll(parts: readonly Part[], records: Map<string, Stored>, left?: Set<string>): number[] {
  return parts.map((part, at) => {
    let count = 0;
    for (const [key, stored] of [...records]) {
      const valueOf = (field: string) => stored.fields[field] ?? null;
      if (part.type === "copy") {
        if (!isCopied(part, key, valueOf)) continue;
        records.set(targetOf(part, at, key), { ...stored });
        count++;
        continue;
      }
      if (!part.forms.includes(key[0]!) || left?.has(key)) continue;
      if (isRefused(part, valueOf("v"))) {
        left?.add(key);
        continue;
      }
      const [name, value] = changesOf(part, at, valueOf) ?? [];
      if (name === undefined) continue;
      stored.fields = { ...stored.fields, [name]: value! };
      count++;
    }
    return count;
  });
}

/** What cleanup leaves: a record with a copy goes, copies of copies with the migration that made them. */
function cleanUp(parts: readonly Part[], records: Map<string, Stored>): void {
  const all = [...records.keys()];
  for (const key of all) {
    if (parts.some((part, at) => part.type === "copy" && all.includes(targetOf(part, at, key)))) {
      records.delete(key);
    }
  }
}

/**
 * What docs/library.md rules out: a migration that makes records which an earlier one would have taken along, or changes what an
 * earlier one has copied.
 */
function fits(before: readonly Part[], part: Part): boolean {
  return before.every((earlier) => {
    if (part.type === "place") return earlier.type === "place" || !part.forms.includes(earlier.from);
    if (earlier.type === "copy") return earlier.from !== part.to;
    return !earlier.forms.includes(part.to) ||
      (earlier.refuses === null && earlier.forms.includes(part.from));
  });
}

const part: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    type: fc.constant("place" as const),
    forms: fc.constantFrom("a", "b", "c", "bc", "ac", "abc"),
    appends: fc.boolean(),
    reads: fc.nat(4),
    refuses: fc.constantFrom(null, null, "1", "2"),
  }),
  fc.record({
    type: fc.constant("copy" as const),
    way: fc.constantFrom("ab", "bc", "ac"),
    which: fc.constantFrom("all" as const, "odd" as const, "set by the first" as const),
    guesses: fc.boolean(),
    tellsWhere: fc.boolean(),
  }).map(({ way, ...rest }) => ({ ...rest, from: way[0]!, to: way[1]! })),
);
const scenario = fc.record({
  parts: fc.array(part, { minLength: 1, maxLength: 5 }).map((all) =>
    all.reduce<Part[]>((taken, one) => fits(taken, one) ? [...taken, one] : taken, [])
  ),
  records: fc.array(
    fc.record({ form: fc.constantFrom("a", "a", "b", "c"), v: fc.nat(5), ends: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 8,
    },
  ),
  /** Runs of the first migrations that end before a command: the connection is gone, or the signal fires. */
  cuts: fc.array(
    fc.record({
      at: fc.integer({ min: 1, max: 60 }),
      first: fc.integer({ min: 1, max: 5 }),
      signal: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
  batchSize: fc.integer({ min: 1, max: 5 }),
  /** Migrations that are all in place run once without accepting what they cannot convert. */
  strictly: fc.boolean(),
});

const ENDS_AT = 4_102_444_800_000;
const names = {
  tool: "shop",
  redis: {
    ...{ deployment: "", stateKey: (name: string) => `shop:state:${name}`, olderStates: () => [] },
    ...{ donePhases: [], usedPrefixes: ["a:"], isIgnored: (key: string) => key.startsWith("shop:") },
  },
  lock: { lock: "shop:lock", older: [], fence: "shop:fence" },
};

async function recordsIn(client: Redis | Cluster): Promise<Map<string, Stored>> {
  const records = new Map<string, Stored>();
  for (const key of (await allKeys(client)).filter((key) => !key.startsWith("shop:"))) {
    records.set(key, { fields: (await getHash(client, key))!, endsAt: await expiryOf(client, key) });
  }
  return records;
}

// Node's sockets leave timers behind in the oldest Deno, when a connection is lost.
const quietly = { sanitizeOps: false, sanitizeResources: false };

for (const [where, numRuns] of [["one server", 60], ["a cluster", 20]] as const) {
  Deno.test(
    `copies and changes of an application end as one after the other would, on ${where}`,
    quietly,
    async () => {
      await using server = await (where === "a cluster" ? startRedisCluster() : startRedis());
      const client: Redis | Cluster = server.client();
      await client.ping(); // From here on a cluster knows its masters.
      let [cut, chains, refused] = [0, 0, 0];

      async function check(
        { parts, records, cuts, batchSize, strictly }: typeof scenario extends fc.Arbitrary<infer T> ? T
          : never,
      ) {
        for (const node of "nodes" in client ? client.nodes("master") : [client]) await node.flushall();
        const engineOver = (redis: RedisClient) =>
          createEngine({
            registry: createRegistry({ redis: parts.map(migrationOf) }),
            ...{ names, redis, version: "1.0.0", owner: { host: "shop-1", pid: 1 } },
          });
        const ids = parts.map((_, at) => `redis/${at + 1}`);
        for (const [i, { form, v, ends }] of records.entries()) {
          await putHash(client, `${form}:${i}`, { v: String(v), at: "1000000000000" });
          if (ends) await client.pexpireat(`${form}:${i}`, ENDS_AT);
        }
        const wanted = await recordsIn(client);
        const counts = applyAll(parts, wanted);
        chains += Number(parts.some(({ type }) => type === "copy") && parts.length > 2);

        for (const { at, first, signal } of strictly ? [] : cuts) {
          using counted = new CountedClient(client);
          await (counted.client as Redis).ping();
          const stop = new AbortController();
          counted.beforeEach((command) => {
            if (command !== at + 1) return;
            if (signal) stop.abort();
            else counted.client.disconnect();
          });
          const run = engineOver(counted.client);
          await run.apply({ ids: ids.slice(0, first), signal: stop.signal, batchSize, skipInvalid: true })
            .catch(() => cut++);
          await engineOver(client).unlock({ force: true });
        }
        const engine = engineOver(client);
        const ranStrictly = strictly && parts.every(({ type }) => type === "place");
        if (ranStrictly) {
          const strict = await recordsIn(client);
          const left = new Set<string>();
          applyAll(parts, strict, left);
          const failed = await engine.apply({ batchSize }).then(() => false, (error) => {
            assertInstanceOf(error, ApplyError);
            return true;
          });
          assertEquals(
            [failed, await recordsIn(client)],
            [left.size > 0, strict],
            "what cannot be converted goes no further",
          );
          refused += Number(failed);
        }
        const { results } = await engine.apply({ batchSize, skipInvalid: true });
        assertEquals(await recordsIn(client), wanted, "after apply()");
        if (cuts.length === 0 && !ranStrictly) {
          assertEquals(results.map((one) => "processed" in one ? one.processed : null), counts);
        }
        assertEquals((await engine.verify({ full: true })).redis.filter(({ valid }) => !valid), []);
        // What an old application has written since is what a second run is for: it changes nothing else.
        const late = new Map([["a:late", { fields: { v: "1", at: String(ENDS_AT) }, endsAt: -1 }]]);
        for (const [key, { fields }] of late) await putHash(client, key, fields);
        applyAll(parts, late);
        for (const [key, stored] of late) wanted.set(key, stored);
        await engine.apply({ ids, rerun: true, batchSize, skipInvalid: true });
        assertEquals(await recordsIn(client), wanted, "after a second run");
        for (const { id } of (await engine.planCleanup()).items) {
          assertEquals((await engine.cleanup(id, { batchSize })).issues, []);
        }
        cleanUp(parts, wanted);
        assertEquals(await recordsIn(client), wanted, "after cleanup()");
        assertEquals((await engine.verify({ full: true })).redis.filter(({ valid }) => !valid), []);
      }

      await fc.assert(fc.asyncProperty(scenario, check), { numRuns, seed: 1, endOnFailure: true });
      assert(
        cut > numRuns / 4 && chains > numRuns / 4 && refused >= Math.floor(numRuns / 40),
        `${cut} runs were cut off, ${chains} had chains, ${refused} could not convert a record`,
      );
    },
  );
}
