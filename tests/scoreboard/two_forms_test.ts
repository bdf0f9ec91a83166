import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { seedLegacyTenant } from "../support/outpost_data.ts";
import { snapshot } from "../support/redis_records.ts";
import { chapter } from "./failure.ts";
import { type Deployment, Stores } from "./stores.ts";

const OWN = "the first release candidate of this project";
const APPLY = "migrate apply --redis-only --yes";
const [OLD, NEW, LIST] = ["tenant:t:destination:d1", "tenant:{t}:destination:d1", "tenant:{t}:destinations"];

/** A time after any run that began before this was called, in milliseconds. */
async function later(client: Redis, ms = 0): Promise<number> {
  const [seconds, micros] = await client.time() as unknown as [string, string];
  return Number(seconds) * 1000 + Math.ceil(Number(micros) / 1000) + 1 + ms;
}

/** The old application writes new credentials. */
async function rotate(client: Redis): Promise<void> {
  const updated = new Date(await later(client)).toISOString();
  await client.hset(OLD, { credentials: "rotated", updated_at: updated });
}

/** The new application disables its form of the destination. */
async function disable(client: Redis): Promise<void> {
  const time = String(await later(client, 1000));
  await client.hset(NEW, { disabled_at: time, updated_at: time });
}

/** Begins 001, and has it stopped before it could copy anything. */
async function beginAndStop(stores: Stores, { outpost }: Deployment): Promise<void> {
  const stop = new AbortController();
  const env = stores.through(({ text }) => {
    if (text.includes(" begin ")) stop.abort();
    return null;
  });
  assertEquals((await outpost(APPLY, { env, stop: stop.signal })).code, 130);
}

chapter("Two forms of one record", Stores.start, [
  {
    id: "R1",
    severity: "S1",
    failure: "cleanup deletes the only copy of a write of the old application, and verify passes",
    from: OWN,
    shown:
      "The old application rotates a secret, the new one disables its copy: verify and cleanup name the record, and the secret stays.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "t", 1);
      assertEquals((await outpost(APPLY)).code, 0);
      await rotate(client);
      await disable(client);
      const verified = await outpost("migrate verify --redis-only --full --json");
      assertEquals(verified.code, 1);
      assertStringIncludes(verified.stdout, OLD);
      await outpost("migrate cleanup --redis-only --yes --force");
      assertEquals(await client.hget(OLD, "credentials"), "rotated");
    },
  },
  {
    id: "R1 tombstone",
    severity: "S1",
    failure: "cleanup deletes the only copy of a write for what is left of a record that was deleted later",
    from: OWN,
    shown:
      "The old application rotates a secret, the new one deletes the destination: verify and cleanup name it, and the secret stays.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      await seedLegacyTenant(client, "t", 1);
      assertEquals((await outpost(APPLY)).code, 0);
      await rotate(client);
      const time = await later(client, 1000);
      await client.del(NEW);
      await client.hset(NEW, { deleted_at: String(time) });
      await client.pexpireat(NEW, time + 604_800_000);
      await client.hdel(LIST, "d1");
      const verified = await outpost("migrate verify --redis-only --full --json");
      assertEquals(verified.code, 1);
      assertStringIncludes(verified.stdout, OLD);
      await outpost("migrate cleanup --redis-only --yes --force");
      assertEquals(await client.hget(OLD, "credentials"), "rotated");
    },
  },
  {
    id: "R1 tenant",
    severity: "S1",
    failure: "a tenant that the new application made anew stands for the old one, whose fields it lacks",
    from: OWN,
    shown:
      "001 fails and names the tenant, goes on with the next one, and neither form is touched, by cleanup neither.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["t", "u"]) await seedLegacyTenant(client, id);
      await client.hset("tenant:t", "metadata", '{"plan":"gold"}');
      const anew = { id: "t", created_at: "1805289400123", updated_at: "1805289400123", entity: "tenant" };
      await client.hset("tenant:{t}:tenant", anew);
      const { code, stdout } = await outpost(APPLY);
      assertEquals(code, 1);
      assertStringIncludes(stdout, "redis/001_hash_tags: tenant:t: ");
      assertEquals(await client.hget("tenant:{u}:tenant", "id"), "u");
      await outpost("migrate cleanup --redis-only --yes --force");
      assertEquals(await client.hget("tenant:t", "metadata"), '{"plan":"gold"}');
      assertEquals(await client.hgetall("tenant:{t}:tenant"), anew);
    },
  },
  {
    id: "R2",
    severity: "S1",
    failure: "one deployment goes on with the interrupted run of another, or inherits its failure",
    from: OWN,
    shown:
      "The installation without prefix was stopped in the middle, or failed: a deployment converts every record of its own.",
    async prove(stores) {
      for (const status of ["running", "failed"]) {
        const { outpost, client } = await stores.deployment();
        const began = { status, first_began_at: "1", cursor: "900", position: "900", processed: "300" };
        for (const name of ["001_hash_tags", "002_timestamps"]) {
          await client.hset(`outpost:migration:${name}`, began);
        }
        for (let i = 0; i < 30; i++) {
          await client.hset(`dp_1:tenant:{t${i}}:tenant`, {
            id: `t${i}`,
            created_at: "2024-01-15T10:30:00Z",
          });
        }
        const listed = await outpost("migrate list --redis-only --deployment-id dp_1 --json");
        assertEquals(listed.json.pending.redis, 2);
        assertEquals((await outpost(`${APPLY} --deployment-id dp_1`)).code, 0);
        for (let i = 0; i < 30; i++) {
          assertEquals(
            await client.hget(`dp_1:tenant:{t${i}}:tenant`, "created_at"),
            "1705314600000",
            status,
          );
        }
      }
    },
  },
  {
    id: "R3",
    severity: "S1",
    failure: "a run that was interrupted twice ends as applied, with records left",
    from: `${OWN}; RedisShake #1007`,
    shown: "Stopped, stopped again, and records written in each pause: the third run converts every one.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      const seed = async (from: number) => {
        for (let i = from; i < from + 60; i++) await seedLegacyTenant(client, `t${i}`);
      };
      for (const [round, stopAt] of [40, 60].entries()) {
        await seed(round * 60);
        const stop = new AbortController();
        let writes = 0;
        const env = stores.through(({ name }) => {
          if (name === "EVALSHA" && ++writes === stopAt) stop.abort();
          return null;
        });
        const { code } = await outpost(`${APPLY} --batch-size 2`, { env, stop: stop.signal });
        assertEquals(code, 130);
      }
      await seed(120);
      assertEquals((await outpost(APPLY)).code, 0);
      for (let i = 0; i < 180; i++) {
        assertEquals(await client.hget(`tenant:{t${i}}:tenant`, "created_at"), "1705314600000", `t${i}`);
      }
    },
  },
  {
    id: "R4",
    severity: "S1",
    failure: "what was deleted while a run was interrupted is listed again after it",
    from: OWN,
    shown: "The new application deletes a destination in the pause: the next run does not list it.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { outpost, client } = deployment;
      await seedLegacyTenant(client, "t", 2);
      await beginAndStop(stores, deployment);
      assertEquals(await client.exists(NEW), 0);
      await client.hset(NEW, { deleted_at: String(await later(client)) });
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(await client.hkeys(LIST), ["d2"]);
      assertEquals(await client.hkeys(NEW), ["deleted_at"]);
    },
  },
  {
    id: "R5",
    severity: "S1",
    failure:
      "what the old application wrote in a pause is passed over as older, and the migration is applied",
    from: OWN,
    shown:
      "Both applications wrote to a destination in the pause: 001 fails, names it, and resolve settles it.",
    async prove(stores) {
      const deployment = await stores.deployment();
      const { outpost, client } = deployment;
      await seedLegacyTenant(client, "t", 1);
      await beginAndStop(stores, deployment);
      await client.copy(OLD, NEW);
      await rotate(client);
      await disable(client);
      const { code, stdout } = await outpost(APPLY);
      assertEquals(code, 1);
      assertStringIncludes(stdout, OLD);
      const { migrations } = (await outpost("migrate list --redis-only --json")).json;
      assertEquals(migrations[0].status, "failed");
      const settled = await outpost(`migrate resolve redis/1 ${OLD} --keep original --yes`);
      assertEquals(settled.code, 0, settled.stderr);
      assertEquals((await outpost(APPLY)).code, 0);
      assertEquals(await client.hget(NEW, "credentials"), "rotated");
    },
  },
  {
    id: "R10",
    severity: "S1",
    failure: "after ordinary life verify fails, and recommends what brings deleted records back",
    from: OWN,
    shown:
      "Records were changed and deleted since, a tombstone has expired: verify passes, and --rerun brings nothing back.",
    async prove(stores) {
      const { outpost, client } = await stores.deployment();
      for (const id of ["t", "gone", "changed"]) await seedLegacyTenant(client, id, 2);
      assertEquals((await outpost(APPLY)).code, 0);
      await client.del(NEW);
      await client.hdel(LIST, "d1");
      await client.del("tenant:{gone}:tenant", "tenant:{gone}:destinations");
      await client.del("tenant:{gone}:destination:d1", "tenant:{gone}:destination:d2");
      const time = String(await later(client));
      await client.hset("tenant:{changed}:tenant", { metadata: "{}", updated_at: time });
      const alive = await snapshot(client);
      const verified = await outpost("migrate verify --redis-only --full");
      assertEquals(verified.code, 0, verified.stdout);
      assertEquals(
        (await outpost("migrate apply redis/1 redis/2 redis/3 --rerun --redis-only --yes")).code,
        0,
      );
      const after = await snapshot(client);
      const records = (all: ReadonlyMap<string, string>) =>
        [...all].filter(([key]) => key.startsWith("tenant:"));
      assertEquals(records(after), records(alive));
    },
  },
]);
