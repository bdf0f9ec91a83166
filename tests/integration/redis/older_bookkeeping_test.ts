/** What released tools of each age wrote, word for word, and what is made of it. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { Redis } from "ioredis";
import { runInProcess } from "../../support/cli.ts";
import { startRedis } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  tenantFields,
  TIMESTAMPS,
} from "../../support/redis_records.ts";

const HOUR_MS = 3_600_000;
const hoursAgo = (hours: number) => new Date(Date.now() - hours * HOUR_MS);
const seconds = (time: Date) => String(Math.floor(time.getTime() / 1000));

/** Marks everything applied as the command line of v0.6 to v0.13 did. */
async function markInSeconds(client: Redis, at: Date): Promise<void> {
  for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
    await client.hset(`outpost:migration:${name}`, { status: "applied", applied_at: seconds(at) });
  }
}

/** The state of 001 as the first tool kept it. */
async function firstTool(
  client: Redis,
  phase: string,
  beganAt: Date,
  endedAt: Date,
  failed = 0,
): Promise<void> {
  const state = {
    migration_name: "001_hash_tags",
    phase,
    started_at: beganAt,
    completed_at: endedAt,
    progress: { total_items: 2, processed_items: 2 - failed, failed_items: failed, skipped_items: 0 },
  };
  await client.set("outpost:migration:001_hash_tags:state", JSON.stringify(state));
}

const verifyIssues = async (client: Redis) =>
  (await outpostBackend(client).verify([HASH_TAGS], { signal: NEVER, full: true, sample: 0 }))[0]!.issues
    .filter((issue) => issue.startsWith("tenant:"));

Deno.test("read() takes a time in Unix seconds, as the older command line wrote, for that time", async () => {
  await using server = await startRedis();
  const client = server.client();
  const at = hoursAgo(48);
  await markInSeconds(client, at);
  const { entries } = await outpostBackend(client).read();
  assertEquals(
    entries.map(({ status, appliedAt }) => [status, appliedAt && seconds(appliedAt)]),
    Array(3).fill(["applied", seconds(at)]),
  );
});

for (const later of [0, 1]) {
  Deno.test(`read() calls failed what the older command line called applied and counted as failed ${later} s later`, async () => {
    await using server = await startRedis();
    const client = server.client();
    const at = hoursAgo(48);
    await markInSeconds(client, at);
    const runOf = (name: string) => `outpost:migration:${name}:run:${Number(seconds(at)) + later}`;
    const run = { processed: "1", skipped: "0", rerun: "0", duration_ms: "5" };
    await client.hset(runOf("001_hash_tags"), { ...run, failed: "1" });
    await client.hset(runOf("002_timestamps"), { ...run, failed: "2" });
    await client.hset(runOf("003_entity"), { ...run, failed: "0" });
    await putHash(client, "tenant:{t}:tenant", { ...tenantFields("t"), entity: "tenant" });
    const backend = outpostBackend(client);
    const found = async () => (await backend.read()).entries.map(({ status, reason }) => [status, reason]);
    const reason = `${runOf("002_timestamps")} says that 2 of its records could not be done`;
    const applied = ["applied", null];
    assertEquals(await found(), [applied, ["failed", reason], applied]);
    await backend.adopt({ signal: NEVER });
    assertEquals(await found(), [applied, ["failed", reason], applied]);
    // A deployment takes over from all what is done, and does the rest itself.
    const statuses = (await outpostBackend(client, "dp").read()).entries.map(({ status }) => status);
    assertEquals(statuses, ["not_applicable", "pending", "applied"]);
    assertEquals((await applyOne(backend, TIMESTAMPS, { signal: NEVER })).outcome, "applied");
    assertEquals(await found(), [applied, applied, applied]);
    const time = String(Date.parse(tenantFields("t").created_at!));
    assertEquals((await getHash(client, "tenant:{t}:tenant"))?.created_at, time);
  });
}

/** The same record under both names, each changed at a time of its own. */
async function bothForms(client: Redis, original: Date, copy: Date): Promise<void> {
  const fields = tenantFields("t");
  await putHash(client, "tenant:t", { ...fields, updated_at: original.toISOString(), note: "old" });
  await putHash(client, "tenant:{t}:tenant", { ...fields, updated_at: copy.toISOString(), note: "new" });
}

Deno.test("verify() takes for life what was changed since the older command line migrated it, and cleanup() knows it proven", async () => {
  await using server = await startRedis();
  const client = server.client();
  await markInSeconds(client, hoursAgo(48));
  await bothForms(client, hoursAgo(72), hoursAgo(1));
  assertEquals(await verifyIssues(client), []);
  const { deleted, kept } = await outpostBackend(client).cleanup(HASH_TAGS, { signal: NEVER });
  assertEquals([deleted, kept], [1, 0]);
});

Deno.test("read() says that the first tool could not do everything where it says so itself, and apply() does the rest", async () => {
  await using server = await startRedis();
  const client = server.client();
  await firstTool(client, "applied", hoursAgo(3), hoursAgo(2), 1);
  await putHash(client, "tenant:left", { ...tenantFields("left"), updated_at: hoursAgo(72).toISOString() });
  const backend = outpostBackend(client);
  const [entry] = (await backend.read()).entries;
  assertEquals([entry!.status, entry!.reason], [
    "failed",
    "outpost:migration:001_hash_tags:state says that 1 of its records could not be done",
  ]);
  await backend.adopt({ signal: NEVER });
  assertEquals((await backend.read()).entries[0]!.status, "failed");
  await applyAll(backend);
  assertEquals((await getHash(client, "tenant:{left}:tenant"))?.id, "left");
});

Deno.test("cleanup() keeps what an old application changed after the first tool began, however long that took", async () => {
  for (const phase of ["applied", "verified", "cleaned"]) {
    await using server = await startRedis();
    const client = server.client();
    await firstTool(client, phase, hoursAgo(240), hoursAgo(2));
    // Behind the walk of that tool by an application of the old form, and then its copy by the new one.
    await bothForms(client, hoursAgo(200), hoursAgo(100));
    const different = ["tenant:t: its copy tenant:{t}:tenant is different"];
    assertEquals(await verifyIssues(client), different, phase);
    const backend = outpostBackend(client);
    await backend.adopt({ signal: NEVER });
    assertEquals(await verifyIssues(client), different, `${phase}, adopted`);
    const { deleted, kept } = await backend.cleanup(HASH_TAGS, { signal: NEVER });
    assertEquals([deleted, kept], [0, 1], phase);
  }
});

Deno.test("verify() asks a person about what others have applied and is not there, and copies by no advice what was deleted", async () => {
  await using server = await startRedis();
  const client = server.client();
  await markInSeconds(client, hoursAgo(24 * 365));
  await putHash(client, "tenant:here", tenantFields("here"));
  await putHash(client, "tenant:{here}:tenant", {
    ...await getHash(client, "tenant:here"),
    entity: "tenant",
  });
  for (const field of ["created_at", "updated_at"]) {
    const time = String(Date.parse(tenantFields("here")[field]!));
    await putHash(client, "tenant:{here}:tenant", { [field]: time });
  }
  // Deleted since under its new name, and what was left of it is over; or left out by the older tool.
  await putHash(client, "tenant:gone", tenantFields("gone"));
  // Written by an application of the old form since.
  await putHash(client, "tenant:late", { id: "late", created_at: hoursAgo(1).toISOString() });
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const run = (line: string) => runInProcess(`migrate ${line} --redis-only`.split(" "), { env });
  const issues = [
    "tenant:gone: it has no copy tenant:{gone}:tenant, and nothing tells whether the application deleted that",
    "tenant:late: it was written after all had been copied, and has no copy tenant:{late}:tenant",
  ];
  assertEquals((await verifyIssues(client)).toSorted(), issues);
  const { code, stdout } = await run("verify --full");
  assertEquals(code, 1);
  assert(stdout.includes("outpost migrate resolve redis/001_hash_tags --all --keep copy"), stdout);
  // The only form of both, for all that is known: that goes by its name alone.
  assertEquals((await run("resolve redis/1 --all --keep copy --yes")).code, 1);
  assertEquals([await client.exists("tenant:gone"), await client.exists("tenant:late")], [1, 1]);
  assertEquals((await run("resolve redis/1 tenant:gone --keep copy --yes")).code, 0);
  assertEquals([await client.exists("tenant:gone"), await client.exists("tenant:late")], [0, 1]);
  const again = await run("verify --full");
  assert(again.stdout.includes("outpost migrate apply redis/001_hash_tags --rerun"), again.stdout);
  assertEquals((await run("apply redis/1 --rerun --yes")).code, 0);
  assertEquals((await run("verify --full")).code, 0);
  assertEquals(await client.exists("tenant:{gone}:tenant"), 0);
});

Deno.test("read() believes what this tool could not do more than an older tool that calls it applied over that", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:{t}:tenant", { ...tenantFields("t"), created_at: "yesterday" });
  const backend = outpostBackend(client);
  await applyOne(backend, TIMESTAMPS, { signal: NEVER });
  // As all of them do: fields that they do not know stay.
  const key = "outpost:migration:002_timestamps";
  await client.hset(key, { status: "applied", applied_at: "2026-02-06T10:00:00Z" });
  const entry = async () => (await backend.read()).entries[1]!;
  assertEquals([(await entry()).status, (await entry()).reason], [
    "failed",
    'Another tool called it applied after this one had said: Records that could not be done: 1: tenant:{t}:tenant: it cannot be \
converted: created_at is "yesterday"',
  ]);
  // Nor does a deployment inherit it.
  assertEquals((await outpostBackend(client, "dp_001").read()).entries[1]!.status, "pending");
  await client.hset("tenant:{t}:tenant", { created_at: "2024-01-15T10:30:00Z" });
  assertEquals((await applyOne(backend, TIMESTAMPS, { signal: NEVER })).outcome, "applied");
  assertEquals((await entry()).status, "applied");
});

Deno.test("apply --yes converts what was said to be applied for all deployments, and takes no lock once that is taken over", async () => {
  await using server = await startRedis();
  const client = server.client();
  await markInSeconds(client, hoursAgo(48));
  const key = "dp:tenant:{t}:tenant";
  await putHash(client, key, { ...tenantFields("t"), entity: "tenant" });
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port), DEPLOYMENT_ID: "dp" };
  const apply = () => runInProcess(["migrate", "apply", "--yes", "--redis-only"], { env });
  const first = await apply();
  assertEquals(first.code, 0, first.stderr);
  assertMatch(first.stdout, /redis\/002_timestamps +applied +1 /);
  const time = String(Date.parse(tenantFields("t").created_at!));
  assertEquals((await getHash(client, key))?.created_at, time);
  const again = async () => {
    const { stdout } = await apply();
    assertStringIncludes(stdout, "Nothing to do: no migration is pending.");
    return Number(/cmdstat_eval:calls=(\d+)/.exec(await client.info("commandstats"))?.[1]);
  };
  assertEquals(await again(), await again()); // Scripts take the lock.
  // Where all is as it is said, there is nothing to do either.
  for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
    await client.del(`dp:outpost:migration:${name}`);
  }
  await again();
  assertEquals(await client.hget("dp:outpost:migration:002_timestamps", "status"), "applied");
});

Deno.test("status, plan and apply lead to init where what older tools recorded was never looked at", async () => {
  await using server = await startRedis();
  const client = server.client();
  await markInSeconds(client, hoursAgo(48));
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port), DEPLOYMENT_ID: "dp" };
  const run = (line: string) => runInProcess(["migrate", ...line.split(" "), "--redis-only"], { env });
  const lastLines = async () => {
    const lines: string[] = [];
    for (const line of ["status", "plan", "apply"]) {
      const { code, stdout } = await run(line);
      lines.push(`${code} ${stdout.trimEnd().split("\n").at(-1)}`);
    }
    return new Set(lines);
  };
  const key = "dp:tenant:{t}:tenant";
  await putHash(client, key, { ...tenantFields("t"), entity: "tenant" });
  const lead = "0 Next: outpost migrate init --redis-only  see whether what older tools recorded is so";
  assertEquals(await lastLines(), new Set([lead]));
  assertStringIncludes((await run("init")).stdout, "Next: outpost migrate apply --redis-only  apply it");
  assertEquals((await run("apply --yes")).code, 0);
  assertEquals(await lastLines(), new Set(["0 Next: outpost serve --redis-only  start the server"]));
});
