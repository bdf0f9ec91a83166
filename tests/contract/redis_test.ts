/**
 * What every Redis has to do for the engine, alone or as a cluster, and what a user with read commands alone sees of it: the
 * same cases on all of them.
 */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  InterruptedError,
  LockLostError,
  RefusedError,
  StoreDeniedError,
  UnknownMigrationError,
} from "../../engine/errors.ts";
import type { RedisBackend } from "../../engine/redis_backend.ts";
import { acquireLock } from "../../engine/lock/acquire.ts";
import { clearLock } from "../../engine/lock/clear.ts";
import {
  allKeys,
  applyOne,
  destinationFieldsOf,
  ENTITY,
  expiryOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  TIMESTAMPS,
} from "../support/redis_records.ts";
import { REDIS_FLAVOURS, type RedisFlavour } from "./redis_flavours.ts";

const ALL = [HASH_TAGS, TIMESTAMPS, ENTITY];
const NOW = { signal: NEVER };
const FULL = { ...NOW, full: true, sample: 0 };
const TENANTS = 12;

interface Case {
  readonly name: string;
  /** `reads` for cases that change nothing: they hold for a reader as well, and prepare with the other client. */
  readonly kind: "reads" | "writes";
  readonly run: (flavour: RedisFlavour, backend: RedisBackend) => Promise<void>;
}

/** Legacy records of some tenants, each with one destination and a summary. */
async function seed({ client }: RedisFlavour): Promise<void> {
  for (let i = 0; i < TENANTS; i++) {
    await putHash(client, `tenant:t${i}`, tenantFields(`t${i}`));
    await putHash(client, `tenant:t${i}:destination:d`, destinationFieldsOf("d"));
    await putHash(client, `tenant:t${i}:destinations`, { d: "{}" });
  }
}

/** Everything applied, by somebody who may. */
async function applied(flavour: RedisFlavour): Promise<void> {
  const backend = outpostBackend(flavour.client);
  for (const id of ALL) assertEquals((await applyOne(backend, id, NOW)).outcome, "applied");
}

const statuses = async (backend: RedisBackend) => (await backend.read()).entries.map(({ status }) => status);

const CASES: readonly Case[] = [
  {
    name: "read() takes absent bookkeeping for nothing applied",
    kind: "reads",
    async run(_flavour, backend) {
      const { entries, adoptable, recorded } = await backend.read();
      assertEquals(
        entries.map(({ id, status, reason }) => [id, status, reason]),
        ALL.map((id) => [id, "pending", null]),
      );
      assertEquals([adoptable, recorded], [false, false]);
    },
  },
  {
    name: "read() tells what released versions recorded, and what a run of this tool left",
    kind: "reads",
    async run({ client }, backend) {
      await client.hset("outpost:migration:001_hash_tags", {
        status: "applied",
        applied_at: "2024-05-01T00:00:00Z",
      });
      await client.hset("outpost:migration:002_timestamps", {
        status: "failed",
        failed: "2",
        issues: '["a","b"]',
      });
      await client.hset("outpost:migration:003_entity", {
        status: "running",
        started_at: "2024-05-01T00:00:00Z",
      });
      const { entries, recorded } = await backend.read();
      assertEquals(entries.map(({ status }) => status), ["applied", "failed", "running"]);
      assertEquals([entries[0]?.appliedAt, recorded], [new Date("2024-05-01T00:00:00Z"), true]);
    },
  },
  {
    name: "read() names one place the same at any time, and another deployment otherwise",
    kind: "reads",
    async run({ subject }, backend) {
      const { identity } = await backend.read();
      assertEquals((await outpostBackend(subject).read()).identity, identity);
      assert((await outpostBackend(subject, "dp_001").read()).identity !== identity);
    },
  },
  {
    name: "plan() counts each migration as if those before it had run",
    kind: "reads",
    async run(flavour, backend) {
      await seed(flavour);
      const plans = await backend.plan(ALL, NOW);
      assertEquals(plans.map(({ id, estimatedItems }) => [id, estimatedItems]), [
        [HASH_TAGS, 3 * TENANTS],
        [TIMESTAMPS, 2 * TENANTS],
        [ENTITY, 2 * TENANTS],
      ]);
      assert(!JSON.stringify(plans).includes("$5"), "a secret is shown");
    },
  },
  {
    name: "verify() proves what is applied, counts what it looked at, and names what is wrong",
    kind: "reads",
    async run(flavour, backend) {
      await seed(flavour);
      const pending = await backend.verify(ALL, FULL);
      assertEquals(pending.map(({ valid, checksRun }) => [valid, checksRun]), ALL.map(() => [false, 0]));
      await applied(flavour);
      const proven = await backend.verify(ALL, FULL);
      assertEquals(proven.map(({ issues }) => issues), [[], [], []]);
      assertEquals(proven.map(({ checksRun }) => checksRun), [3 * TENANTS, 2 * TENANTS, 2 * TENANTS]);
      await flavour.client.hset("tenant:{t3}:tenant", "created_at", "2024-01-15T10:30:00Z");
      const [, timestamps] = await backend.verify(ALL, FULL);
      assertEquals([timestamps?.valid, timestamps?.issues.length], [false, 1]);
      assert(timestamps!.issues[0]!.includes("tenant:{t3}:tenant"));
    },
  },
  {
    name: "planCleanup() counts the originals, and tells which migrations leave none",
    kind: "reads",
    async run(flavour, backend) {
      await seed(flavour);
      await applied(flavour);
      assertEquals(await backend.planCleanup(HASH_TAGS, NOW), 3 * TENANTS);
      assertEquals(await backend.planCleanup(HASH_TAGS, { ...NOW, any: true }), 1);
      assertEquals(await backend.planCleanup(TIMESTAMPS, NOW), null);
    },
  },
  {
    name:
      "blockers() finds none where there is room and the user may write, and names what else stands in the way",
    kind: "reads",
    async run(flavour, backend) {
      await seed(flavour);
      const blockers = await backend.blockers(ALL);
      assertEquals(blockers.map(({ kind }) => kind), flavour.writes ? [] : ["rights"]);
    },
  },
  {
    name: "every method refuses a migration that nobody knows",
    kind: "reads",
    async run(_flavour, backend) {
      const none = "redis/009_none";
      await assertRejects(() => backend.apply([none], NOW), UnknownMigrationError);
      await assertRejects(() => backend.cleanup(none, NOW), UnknownMigrationError);
      await assertRejects(() => backend.planCleanup(none, NOW), UnknownMigrationError);
    },
  },
  {
    name: "plan() and verify() end when they are interrupted",
    kind: "reads",
    async run(flavour, backend) {
      await seed(flavour);
      await applied(flavour);
      const options = { ...FULL, signal: AbortSignal.abort() };
      await assertRejects(() => backend.plan(ALL, options), InterruptedError);
      await assertRejects(() => backend.verify(ALL, options), InterruptedError);
    },
  },
  {
    name:
      "apply() does all of it, keeps TTLs, records it in the words of released versions, and finds nothing to do again",
    kind: "writes",
    async run(flavour, backend) {
      await seed(flavour);
      await flavour.client.pexpireat("tenant:t1", 32503680000123);
      const results = [];
      for (const id of ALL) results.push(await applyOne(backend, id, NOW));
      assertEquals(results.map(({ outcome, processed, failed }) => [outcome, processed, failed]), [
        ["applied", 3 * TENANTS, 0],
        ["applied", 2 * TENANTS, 0],
        ["applied", 2 * TENANTS, 0],
      ]);
      const tenant = await getHash(flavour.client, "tenant:{t1}:tenant");
      assertEquals([tenant?.created_at, tenant?.entity], ["1705289400123", "tenant"]);
      assertEquals(await expiryOf(flavour.client, "tenant:{t1}:tenant"), 32503680000123);
      assertEquals(await getHash(flavour.client, "tenant:t2"), tenantFields("t2")); // The originals stay.
      assertEquals((await getHash(flavour.client, "outpost:migration:002_timestamps"))?.status, "applied");
      assertEquals(await statuses(backend), ["applied", "applied", "applied"]);
      const before = await snapshot(flavour.client);
      for (const id of ALL) assertEquals((await applyOne(backend, id, NOW)).processed, 0);
      assertEquals(await snapshot(flavour.client), before);
    },
  },
  {
    name: "the lock is taken, fences what is written, and is given back",
    kind: "writes",
    async run(flavour, backend) {
      await seed(flavour);
      const names = {
        lock: "outpost:migration:lock",
        older: [".outpost:migration_lock"],
        fence: "outpost:migration:fence",
      };
      const owner = { host: "test", pid: 1, version: "1", command: "apply" };
      {
        await using lock = await acquireLock({
          redis: { client: flavour.subject, names },
          sessions: [],
          owner,
        });
        assertEquals(
          (await applyOne(backend, HASH_TAGS, { ...NOW, fence: lock.fence! })).processed,
          3 * TENANTS,
        );
        await clearLock({ redis: { client: flavour.subject, names } }, { force: true });
        await assertRejects(
          () => applyOne(backend, TIMESTAMPS, { ...NOW, fence: lock.fence! }),
          LockLostError,
        );
      }
      assertEquals((await allKeys(flavour.client)).filter((key) => /migration[:_]lock/.test(key)), []);
    },
  },
  {
    name: "apply() names the record that cannot be converted, finishes the others, and ends as failed",
    kind: "writes",
    async run({ client }, backend) {
      await putHash(client, "tenant:{bad}:tenant", { id: "bad", created_at: "yesterday" });
      for (let i = 0; i < 30; i++) await putHash(client, `tenant:{t${i}}:tenant`, tenantFields(`t${i}`));
      const result = await applyOne(backend, TIMESTAMPS, NOW);
      assertEquals([result.outcome, result.processed, result.failed], ["failed", 30, 1]);
      assert(result.issues[0]!.startsWith("tenant:{bad}:tenant"));
      assertEquals((await backend.read()).entries[1]?.status, "failed");
      const accepted = await applyOne(backend, TIMESTAMPS, { ...NOW, skipInvalid: true });
      assertEquals([accepted.outcome, (await getHash(client, "tenant:{bad}:tenant"))?.created_at], [
        "applied",
        "yesterday",
      ]);
    },
  },
  {
    name: "apply() that is interrupted leaves no state that lies, and the next one does the rest",
    kind: "writes",
    async run(flavour, backend) {
      await seed(flavour);
      await assertRejects(
        () => applyOne(backend, HASH_TAGS, { signal: AbortSignal.abort() }),
        InterruptedError,
      );
      assertEquals((await backend.read()).entries[0]?.status, "running");
      assertEquals((await applyOne(backend, HASH_TAGS, NOW)).processed, 3 * TENANTS);
    },
  },
  {
    name: "cleanup() deletes what is proven, and refuses before its migration is applied",
    kind: "writes",
    async run(flavour, backend) {
      await seed(flavour);
      await assertRejects(() => backend.cleanup(HASH_TAGS, NOW), RefusedError);
      await applied(flavour);
      await flavour.client.hset("tenant:{t5}:tenant", "id", "another");
      const { deleted, kept, issues } = await backend.cleanup(HASH_TAGS, NOW);
      assertEquals([deleted, kept, issues.length], [3 * TENANTS - 1, 1, 1]);
      const originals = (await allKeys(flavour.client)).filter((key) => /^tenant:t/.test(key));
      assertEquals(originals, ["tenant:t5"]);
    },
  },
  {
    name: "markFresh() marks what is fresh, once, and nothing that is in use",
    kind: "writes",
    async run(flavour, backend) {
      assertEquals([await backend.markFresh(NOW), await backend.markFresh(NOW)], [true, false]);
      assertEquals(await statuses(backend), ["applied", "applied", "applied"]);
      await flavour.clear();
      await seed(flavour);
      assertEquals(await backend.markFresh(NOW), false);
      assertEquals(await statuses(backend), ["pending", "pending", "pending"]);
    },
  },
  {
    name: "adopt() brings older bookkeeping up to date, once",
    kind: "writes",
    async run({ client }, backend) {
      await client.set("outpost:schema:version", "2");
      assertEquals((await backend.read()).adoptable, true);
      await backend.adopt(NOW);
      assertEquals((await backend.read()).adoptable, false);
      assertEquals(await statuses(backend), ["applied", "applied", "pending"]);
    },
  },
];

/** A reader is refused, and nothing has changed. */
async function assertDenied(flavour: RedisFlavour, backend: RedisBackend): Promise<void> {
  await seed(flavour);
  await flavour.client.set("outpost:schema:version", "2");
  const before = await snapshot(flavour.client);
  await assertRejects(() => applyOne(backend, ENTITY, NOW), StoreDeniedError);
  await assertRejects(() => backend.adopt(NOW), StoreDeniedError);
  assertEquals(await snapshot(flavour.client), before);
}

for (const [title, start] of Object.entries(REDIS_FLAVOURS)) {
  Deno.test(`${title} keeps the contract of Redis stores`, async (t) => {
    const flavours = await start();
    await using _servers = flavours[0]!;
    for (const flavour of flavours) {
      for (const { name, kind, run } of CASES) {
        if (kind === "writes" && !flavour.writes) continue;
        await t.step(`${flavour.name}: ${name}`, async () => {
          await flavour.clear();
          await run(flavour, outpostBackend(flavour.subject));
        });
      }
      if (flavour.writes) continue;
      await t.step(`${flavour.name}: what writes is refused, and changes nothing`, async () => {
        await flavour.clear();
        await assertDenied(flavour, outpostBackend(flavour.subject));
      });
    }
  });
}
