import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { spawnCli } from "../support/cli.ts";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { eventually } from "../support/server.ts";
import { chapter } from "./failure.ts";
import { WAITING } from "./waiting.ts";
import { type Deployment, Stores } from "./stores.ts";

const RUNNER = "hookdeck/outpost";
const RECORDS = 300;
/** Slow enough to be met in the middle, as long as it is not told to hurry. */
const SLOWLY = ["migrate", "apply", "--yes", "--redis-only", "--max-rate", "100", "--lock-ttl", "1s"];

/** A Redis that takes `apply` seconds at that rate. */
async function seedMany(client: Redis): Promise<void> {
  for (let i = 0; i < RECORDS; i++) {
    await client.hset(`tenant:{t${i}}:tenant`, { id: `t${i}`, created_at: "2024-01-15T10:30:00Z" });
  }
}

/** Starts a slow `apply` in a process of its own, and waits until it is in the middle. */
async function midway({ client, env }: Deployment): Promise<Deno.ChildProcess> {
  await seedMany(client);
  const child = spawnCli(SLOWLY, { env });
  await eventually(async () => {
    assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "running");
  });
  return child;
}

async function assertAllConverted({ client, outpost }: Deployment): Promise<void> {
  assertEquals((await outpost("migrate verify --redis-only --full")).code, 0);
  assertEquals(await client.hget(`tenant:{t${RECORDS - 1}}:tenant`, "created_at"), "1705314600000");
}

chapter("Locks and waiting", Stores.start, [
  {
    id: "B30",
    severity: "S1",
    failure: "a lock of fixed length runs out, and two runners work together",
    from: `${RUNNER}, its coordinator; blagerweij/liquibase-sessionlock #36`,
    shown:
      "A runner is paused past its lease: another one finishes, and the first changes nothing when it wakes.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const child = await midway(deployment);
      child.kill("SIGSTOP");
      const second = await deployment.outpost("migrate apply --redis-only --yes --lock-wait 30s");
      assertEquals(second.code, 0, second.stderr);
      child.kill("SIGCONT");
      assertEquals((await child.output()).code, 3);
      await assertAllConverted(deployment);
    },
  },
  {
    id: "B31",
    severity: "S2",
    failure: "a runner that is told to stop keeps its lock for an hour",
    from: `${RUNNER}, its main function`,
    shown: "SIGTERM in the middle: exit 143, the lock is free at once, and the next run finishes.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const child = await midway(deployment);
      child.kill("SIGTERM");
      assertEquals((await child.output()).code, 143);
      assertEquals((await deployment.outpost("migrate apply --redis-only --yes --lock-wait 0")).code, 0);
      await assertAllConverted(deployment);
    },
  },
  {
    id: "Liquibase #1453",
    severity: "S2",
    failure: "a killed pod leaves a lock that nobody clears",
    from:
      "Liquibase #1453, spinnaker #6625, camunda #48343, X-Road #3076, rundeck #8111; knex in lightdash #26281",
    shown: "SIGKILL in the middle: the next run takes over within a lease, without unlock.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const child = await midway(deployment);
      child.kill("SIGKILL");
      await child.output();
      assertEquals((await deployment.outpost("migrate apply --redis-only --yes --lock-wait 30s")).code, 0);
      await assertAllConverted(deployment);
    },
  },
  {
    id: "B32",
    severity: "S2",
    failure: "pods that start together fail on each other's lock, or run a step twice",
    from:
      `${RUNNER} #484, #508, #816; goose #335, #993; dbmate #101, #596; drizzle-orm #874; graphile-migrate; sqitch #579; Alembic #633, langflow #13204, rhesis #2574, phoenix #11807, aegra #565, romm #4486`,
    shown: "Six runs at once: each ends with 0, and every row was taken along once.",
    async prove(stores) {
      const { outpost, client, sql } = await stores.deployment();
      await seedLegacyTenant(client, "one", 2);
      const [{ orphans }] = await sql`
        select ((select count(*) from deliveries where event_id not in (select id from events))
          + (select count(*) from event_delivery_index))::int as orphans` as never as [{ orphans: number }];
      const ends = await Promise.all(Array.from({ length: 6 }, () => outpost("migrate apply --yes")));
      assertEquals(ends.map(({ code }) => code), [0, 0, 0, 0, 0, 0]);
      const [{ kept }] = await sql`select count(*)::int as kept from outpost_quarantine` as never as [
        { kept: number },
      ];
      assertEquals(kept, orphans);
      assertEquals((await outpost("migrate verify --full")).code, 0);
    },
  },
  {
    id: "B33",
    severity: "S1",
    failure: "unlock deletes a lock whose holder is alive, and says cleared where there was none",
    from: `${RUNNER}, its coordinator`,
    shown:
      "It refuses, names the holder, and leaves the lock; where nobody holds it, it says so, without a database.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { outpost, client, env } = deployment;
      const nobody = await outpost("migrate unlock --yes", {
        env: { POSTGRES_URL: "postgres://127.0.0.1:1/none" },
      });
      assertEquals(nobody.code, 0);
      assertStringIncludes(nobody.stdout, "Nobody");
      await seedMany(client);
      const stop = new AbortController();
      const running = outpost(SLOWLY.join(" "), { env, stop: stop.signal });
      await eventually(async () => assertEquals(await client.exists("outpost:migration:lock"), 1));
      const refused = await outpost("migrate unlock --yes");
      assertEquals(refused.code, 3);
      assertStringIncludes(refused.stderr, "test-host");
      assertEquals(await client.exists("outpost:migration:lock"), 1);
      stop.abort();
      assertEquals((await running).code, 130);
    },
  },
  {
    id: "B34",
    severity: "S2",
    failure: "no lock spans SQL and Redis",
    from: `${RUNNER}, its coordinator`,
    shown: "While one run is at the records, another one may not begin with the tables.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      assertEquals((await outpost("migrate apply 5 6 7 8 --sql-only --yes")).code, 0);
      await seedMany(client);
      const stop = new AbortController();
      const running = outpost("migrate apply sql/9 redis/1 redis/2 --yes --max-rate 100", {
        stop: stop.signal,
      });
      await eventually(async () =>
        assertEquals(await client.hget("outpost:migration:002_timestamps", "status"), "running")
      );
      assertEquals((await outpost("migrate apply --sql-only --yes --lock-wait 0")).code, 3);
      stop.abort();
      assertEquals((await running).code, 130);
      assertEquals((await outpost("migrate apply --yes")).code, 0);
    },
  },
  {
    id: "sqitch #670",
    severity: "S3",
    failure: "the refusal names the wrong owner of the lock, or none",
    from: "sqitch #670; Atlas #2915; graphile-migrate",
    shown: "It names host, command and since when of the run that holds it.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const child = await midway(deployment);
      const refused = await deployment.outpost("migrate apply --redis-only --yes --lock-wait 0");
      assertEquals(refused.code, 3);
      assertStringIncludes(refused.stderr, Deno.hostname());
      assertStringIncludes(refused.stderr, "apply");
      child.kill("SIGKILL");
      await child.output();
    },
  },
  ...WAITING,
]);
