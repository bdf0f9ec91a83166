/** What the plan names as what cannot be converted is there, and whoever repairs it is done with the ordinary apply. */

import { assertEquals } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import type { RedisBackend } from "../../../engine/redis_backend.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  allKeys,
  applyAll,
  applyOne,
  bytes,
  destinationFieldsOf,
  ENTITY,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  parseDisplayed,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const FULL = { signal: NEVER, full: true, sample: 0 };
const ALL = [HASH_TAGS, TIMESTAMPS, ENTITY];
const BAD = { created_at: "yesterday" };
const GOOD = { created_at: "2024-01-15T10:30:00Z" };
const CONVERTED = "1705314600000";

/** How records come to be in the way, and what is to be named of them by which migration. */
interface Situation {
  readonly when: string;
  readonly deployment?: string;
  readonly arrange: (client: Redis | Cluster, backend: RedisBackend) => Promise<unknown>;
  readonly ids: readonly string[];
  readonly rerun?: boolean;
  readonly named: readonly (readonly [id: string, key: string])[];
  /** Where the records are in the end. */
  readonly current: readonly string[];
  /** How many records are changed, as a plan of all counts them. @default all that are there */
  readonly changed?: number;
}

const legacy = async (client: Redis | Cluster) => {
  await putHash(client, "tenant:good", tenantFields("good"));
  await putHash(client, "tenant:t\xff", { ...tenantFields("t\xff"), ...BAD });
  await putHash(client, "tenant:good:destination:d", { ...destinationFieldsOf("d"), ...BAD });
};
const CURRENT = ["tenant:{good}:destination:d", "tenant:{t\xff}:tenant"];
const COPIES = CURRENT.map((key) => [TIMESTAMPS, key] as const);

const SITUATIONS: readonly Situation[] = [
  {
    when: "all are pending",
    arrange: legacy,
    ids: ALL,
    named: [[TIMESTAMPS, "tenant:good:destination:d"], [TIMESTAMPS, "tenant:t\xff"]],
    current: CURRENT,
  },
  {
    when: "the records are copied and the rest is pending",
    arrange: async (client, backend) => {
      await legacy(client);
      await applyOne(backend, HASH_TAGS, { signal: NEVER });
    },
    ids: [TIMESTAMPS, ENTITY],
    named: COPIES,
    current: CURRENT,
  },
  {
    when: "a run has copied what it could not convert",
    arrange: async (client, backend) => {
      await legacy(client);
      await applyAll(backend);
    },
    ids: [TIMESTAMPS, ENTITY],
    named: COPIES,
    current: CURRENT,
  },
  {
    when: "some are there in both forms",
    arrange: async (client) => {
      await legacy(client);
      await putHash(client, CURRENT[1]!, { ...tenantFields("t\xff"), ...BAD });
    },
    ids: ALL,
    named: [[TIMESTAMPS, "tenant:good:destination:d"], [TIMESTAMPS, CURRENT[1]!]],
    current: CURRENT,
    // One of the two is copied already, and 002 cannot convert it: 003 does not touch it then.
    changed: 2,
  },
  {
    when: "one was written late, and what comes after the copies is applied",
    arrange: async (client, backend) => {
      await applyAll(backend);
      await putHash(client, "tenant:late", {
        ...tenantFields("late"),
        ...BAD,
        updated_at: "2100-01-01T00:00:00Z",
      });
    },
    ids: [HASH_TAGS],
    rerun: true,
    named: [[HASH_TAGS, "tenant:late"]],
    current: ["tenant:{late}:tenant"],
  },
  {
    when: "records of tenants with braces look like others",
    arrange: async (client) => {
      await putHash(client, "tenant:{x}", { ...tenantFields("{x}"), ...BAD });
      await putHash(client, "tenant:{x}:destination:d", { ...destinationFieldsOf("d"), ...BAD });
    },
    ids: ALL,
    named: [[TIMESTAMPS, "tenant:{x}"], [TIMESTAMPS, "tenant:{x}:destination:d"]],
    current: ["tenant:{{x}}:destination:d", "tenant:{{x}}:tenant"],
  },
  {
    when: "a deployment has a prefix",
    deployment: "dp_1",
    arrange: (client) => putHash(client, "dp_1:tenant:{t}:tenant", { ...tenantFields("t"), ...BAD }),
    ids: [TIMESTAMPS, ENTITY],
    named: [[TIMESTAMPS, "dp_1:tenant:{t}:tenant"]],
    current: ["dp_1:tenant:{t}:tenant"],
  },
];

for (const where of ["one server", "a cluster"]) {
  Deno.test(`plan() names records that are there and repairing them is enough, on ${where}`, async (t) => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    for (
      const { when, deployment = "", arrange, ids, rerun = false, named, current, changed } of SITUATIONS
    ) {
      await t.step(when, async () => {
        for (const key of await allKeys(client)) await client.del(bytes(key));
        const backend = outpostBackend(client, deployment);
        await arrange(client, backend);
        const plan = await backend.plan(ids, { signal: NEVER });
        const found = plan.flatMap(({ id, invalid }) =>
          invalid.map(({ key, field, value }) => [id, parseDisplayed(key), field, value])
        );
        assertEquals(found.sort(), named.map((one) => [...one, "created_at", "yesterday"]).sort());
        assertEquals(plan.reduce((sum, { invalidItems }) => sum + invalidItems, 0), named.length);

        if (ids === ALL && current.length === 2) {
          // Each record counts once, though several migrations change it: `good`, where there is one, and the two.
          const records = plan.reduce((sum, { firsts }) => sum + firsts, 0);
          const there = await allKeys(client);
          assertEquals(records, changed ?? (there.includes("tenant:good") ? 3 : 2));
        }

        // A repair touches what is there, and makes nothing.
        const before = await allKeys(client);
        for (const [, key] of named) await putHash(client, key, GOOD);
        assertEquals(await allKeys(client), before);
        const results = await backend.apply(ids, { signal: NEVER, rerun });
        assertEquals(results.map(({ outcome, issues }) => [outcome, issues]), ids.map(() => ["applied", []]));
        for (const key of current) assertEquals((await getHash(client, key))?.created_at, CONVERTED, key);
        const verified = await backend.verify(ALL, FULL);
        assertEquals(verified.map(({ issues }) => issues), ALL.map(() => []));
      });
    }
  });

  Deno.test(`apply() names records that are there and repairing them is enough, on ${where}`, async (t) => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    for (const { when, deployment = "", arrange, ids, rerun = false, current } of SITUATIONS) {
      await t.step(when, async () => {
        for (const key of await allKeys(client)) await client.del(bytes(key));
        const backend = outpostBackend(client, deployment);
        await arrange(client, backend);
        const failed = await backend.apply(ids, { signal: NEVER, rerun });
        const named = failed.flatMap(({ issues }) =>
          issues.flatMap((issue) =>
            /^(.*): it cannot be converted: created_at is "yesterday"$/.exec(issue)?.[1] ?? []
          )
        ).map(parseDisplayed);
        assertEquals(named.sort(), [...current].sort());
        for (const key of named) await putHash(client, key, GOOD);
        const results = await backend.apply(ids, { signal: NEVER, rerun });
        assertEquals(results.map(({ outcome, issues }) => [outcome, issues]), ids.map(() => ["applied", []]));
        for (const key of current) assertEquals((await getHash(client, key))?.created_at, CONVERTED, key);
        const verified = await backend.verify(ALL, FULL);
        assertEquals(verified.map(({ issues }) => issues), ALL.map(() => []));
      });
    }
  });
}
