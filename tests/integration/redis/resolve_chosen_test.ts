/** Which records are settled: those that were named, however they are shown, and of all those alone that only a person can tell. */

import { assert, assertEquals } from "@std/assert";
import { SETTLE } from "../../../engine/redis/scripts/settling.ts";
import { startRedis, startRedisCluster } from "../../support/redis.ts";
import {
  applyAll,
  applyOne,
  destinationFieldsOf,
  getHash,
  HASH_TAGS,
  NEVER,
  outpostBackend,
  putHash,
  snapshot,
  tenantFields,
  utf8,
} from "../../support/redis_records.ts";
import { runInProcess } from "../../support/cli.ts";

const LATER = "2100-01-01T00:00:00Z";

Deno.test("differences() of all are not what still has to be copied: no choice deletes it", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, "tenant:{t}:tenant", { id: "t", note: "x" });
  const backend = outpostBackend(client);
  assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER })).outcome, "failed");
  // What is there by then no run has come upon.
  for (const id of ["a", "b"]) await putHash(client, `tenant:${id}`, tenantFields(id));
  const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
  assertEquals(found.map(({ key }) => key), ["tenant:t"]);
  await backend.settle(HASH_TAGS, found, "copy", { signal: NEVER });
  const { outcome, processed } = await applyOne(backend, HASH_TAGS, { signal: NEVER });
  assertEquals([outcome, processed], ["applied", 2]);
});

Deno.test("differences() of all are not what an old application has written since: --rerun copies that", async () => {
  await using server = await startRedis();
  const client = server.client();
  await putHash(client, "tenant:t", tenantFields("t"));
  const backend = outpostBackend(client);
  await applyAll(backend);
  await putHash(client, "tenant:late", { ...tenantFields("late"), updated_at: LATER });
  assertEquals(await backend.differences(HASH_TAGS, null, { signal: NEVER }), []);
  // By name a person may choose that it goes.
  const named = await backend.differences(HASH_TAGS, ["tenant:late"], { signal: NEVER });
  assertEquals(named.map(({ hasCopy, fault }) => [hasCopy, fault !== null]), [[false, true]]);
});

for (const where of ["one server", "a cluster"]) {
  Deno.test(`settle() lists nothing again that was deleted since, on ${where}`, async () => {
    await using server = where === "a cluster" ? await startRedisCluster() : await startRedis();
    const client = server.client();
    const [list, copy] = ["tenant:t:destinations", "tenant:{t}:destinations"];
    await putHash(client, "tenant:t", tenantFields("t"));
    for (const id of ["d", "e"]) await putHash(client, `tenant:t:destination:${id}`, destinationFieldsOf(id));
    await putHash(client, list, { d: "{}", e: "{}" });
    const backend = outpostBackend(client);
    await applyAll(backend);
    // The new application deletes one, and the old one changes the other.
    await putHash(client, "tenant:{t}:destination:d", { deleted_at: "4102444900000" });
    await client.hdel(copy, "d");
    await putHash(client, "tenant:t:destination:e", { updated_at: LATER });
    await putHash(client, list, { e: '{"n":1}' });
    const found = await backend.differences(HASH_TAGS, null, { signal: NEVER });
    assertEquals(found.map(({ key }) => key).sort(), ["tenant:t:destination:e", list]);
    const { resolved } = await backend.settle(HASH_TAGS, found, "original", { signal: NEVER });
    assertEquals(resolved, 2);
    assertEquals(await getHash(client, copy), { e: '{"n":1}' });
    assertEquals(
      (await backend.verify([HASH_TAGS], { signal: NEVER, full: true, sample: 0 }))[0]?.issues,
      [],
    );
  });
}

Deno.test("a list of which nothing is left is no choice for a person, also where nothing tells when its original was changed", async () => {
  await using server = await startRedis();
  const client = server.client();
  const [list, copy] = ["tenant:t:destinations", "tenant:{t}:destinations"];
  await putHash(client, "tenant:t", tenantFields("t"));
  await putHash(client, "tenant:t:destination:d", destinationFieldsOf("d"));
  await putHash(client, list, { d: "{}" });
  const backend = outpostBackend(client);
  await applyAll(backend);
  const began = Number(await client.hget("outpost:migration:001_hash_tags", "done_since"));
  const thatSecond = new Date(began).toISOString().replace(/\.\d+Z$/, "Z");
  await putHash(client, "tenant:t", { updated_at: thatSecond });
  await putHash(client, "tenant:{t}:tenant", { updated_at: String(Math.floor(began / 1000) * 1000) });
  await client.del(copy);
  const undecided = async () =>
    (await backend.differences(HASH_TAGS, null, { signal: NEVER })).map(({ key }) => key);
  assertEquals(await undecided(), [list]);
  await putHash(client, "tenant:{t}:destination:d", { deleted_at: "4102444900000" });
  assertEquals(await undecided(), []);
  // By name it is settled for either form, and stays so.
  const found = await backend.differences(HASH_TAGS, [list], { signal: NEVER });
  const { resolved, issues } = await backend.settle(HASH_TAGS, found, "original", { signal: NEVER });
  assertEquals([resolved, issues], [1, []]);
  assertEquals(await getHash(client, list), { d: "{}" });
  assertEquals((await applyOne(backend, HASH_TAGS, { signal: NEVER, rerun: true })).outcome, "applied");
  assertEquals(await client.exists(copy), 0);
});

Deno.test("outpost migrate resolve lets go of an original whose copy the application deleted, as cleanup says", async () => {
  await using server = await startRedis();
  const client = server.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const run = (line: string) => runInProcess(`migrate ${line} --redis-only`.split(" "), { env });
  await putHash(client, "tenant:t", tenantFields("t"));
  await applyAll(outpostBackend(client));
  await client.del("tenant:{t}:tenant");
  const kept = await run("cleanup --yes");
  assertEquals(kept.code, 1);
  assert(kept.stdout.includes("resolve, naming it,"), kept.stdout);
  assertEquals((await run("resolve redis/1 tenant:t --keep copy --yes")).code, 0);
  assertEquals((await run("cleanup --yes")).code, 0);
  assertEquals(await client.exists("tenant:t"), 0);
});

Deno.test("outpost migrate resolve deletes no original without a copy that nobody has named, as where another tool has copied a part", async () => {
  await using server = await startRedis();
  const client = server.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const run = (line: string) => runInProcess(`migrate ${line} --redis-only`.split(" "), { env });
  for (const id of ["a", "b", "c"]) await putHash(client, `tenant:${id}`, tenantFields(id));
  await putHash(client, "tenant:{a}:tenant", tenantFields("a"));
  await client.hset(
    "outpost:migration:001_hash_tags",
    "status",
    "applied",
    "applied_at",
    "2026-01-01T00:00:00Z",
  );
  const next = await run("verify --full redis/1");
  assert(next.stdout.includes("resolve redis/001_hash_tags --all --keep copy"), next.stdout);
  const all = await run("resolve redis/1 --all --keep copy --yes");
  assertEquals([all.code, await client.exists("tenant:b", "tenant:c")], [1, 2]);
  assert(all.stdout.includes("tenant:b: left alone, it has no copy"), all.stdout);
  assert(all.stdout.includes("Next: outpost migrate apply redis/001_hash_tags --rerun"), all.stdout);
  const asked = await runInProcess("migrate resolve redis/1 --all --keep copy".split(" "), {
    env,
    answers: ["n"],
  });
  // Nothing is to be written, and so nothing to be asked.
  assertEquals([asked.code, asked.stdout.includes("Write 0 records")], [1, false]);
  assert(asked.stdout.includes("tenant:b: left alone, it has no copy"), asked.stdout + asked.stderr);
  assertEquals((await run("resolve redis/1 tenant:b --keep copy --yes")).code, 0);
  assertEquals(await client.exists("tenant:b"), 0);
  assertEquals((await run("apply redis/1 --rerun --yes")).code, 0);
  assertEquals(await client.exists("tenant:{a}:tenant", "tenant:{c}:tenant"), 2);
});

Deno.test("outpost migrate resolve that cannot ask names a line that a shell takes as it is", async () => {
  await using server = await startRedis();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const words = ["migrate", "resolve", "redis/1", "tenant:a b", "--keep", "copy"];
  const { code, stderr } = await runInProcess(words, { env });
  assertEquals(code, 2);
  const line = "outpost migrate resolve redis/001_hash_tags 'tenant:a b' --keep copy --yes";
  assert(stderr.includes(`Confirm on the command line: ${line}\n`), stderr);
});

/** IDs whose keys are shown otherwise than they are, and what an operator copies from `verify`. */
const ODD: readonly (readonly [id: string, shown: string])[] = [
  ["\\x41", "tenant:\\x41"],
  [utf8("z\u200bw"), "tenant:z\\u200bw"],
  ["\xfe\x80", "tenant:\\xfe\\x80"],
  ["x".repeat(300), `tenant:${"x".repeat(193)}…`],
  ["::add-mask::", "tenant:::add-mask::"],
  [" ::error::", "tenant: \\x3a:error::"],
];

Deno.test("outpost migrate resolve settles the record that is shown so, and no other", async () => {
  await using server = await startRedis();
  const client = server.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const ids = ["A", ...ODD.map(([id]) => id)];
  for (const id of ids) await putHash(client, `tenant:${id}`, { ...tenantFields(id), n: "1" });
  await applyAll(outpostBackend(client));
  for (const id of ids) await putHash(client, `tenant:${id}`, { updated_at: LATER, n: "2" });
  const verified = await runInProcess("migrate verify redis/1 --full --json --redis-only".split(" "), {
    env,
  });
  const issues = JSON.parse(verified.stdout).redis[0].issues as string[];
  for (const [id, shown] of ODD) {
    assert(issues.some((issue) => issue.startsWith(`${shown}: `)), `${shown} is not in ${issues}`);
    const before = await snapshot(client);
    const words = ["migrate", "resolve", "redis/1", shown, "--keep", "original", "--yes", "--json"];
    const { code, stdout } = await runInProcess(words, { env });
    assertEquals([code, JSON.parse(stdout).resolved, JSON.parse(stdout).issues], [0, 1, []], shown);
    const after = await snapshot(client);
    const changed = [...after].filter(([key, value]) => before.get(key) !== value).map(([key]) => key);
    assertEquals(changed, [`tenant:{${id}}:tenant`]);
  }
  assertEquals((await getHash(client, "tenant:{A}:tenant"))?.n, "1");
});

Deno.test("outpost migrate resolve takes a long key in full, and chooses none of several that are shown alike", async () => {
  await using server = await startRedis();
  const client = server.client();
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
  const ids = ["\xff", "\\xff", `${"x".repeat(300)}1`, `${"x".repeat(300)}2`];
  for (const id of ids) await putHash(client, `tenant:${id}`, { ...tenantFields(id), n: "1" });
  await applyAll(outpostBackend(client));
  for (const id of ids) await putHash(client, `tenant:${id}`, { updated_at: LATER, n: "2" });
  const before = await snapshot(client);
  const resolve = (key: string) =>
    runInProcess(["migrate", "resolve", "redis/1", key, "--keep", "original", "--yes"], { env });
  for (const key of ["tenant:\\xff", `tenant:${"x".repeat(193)}…`]) {
    const { code, stderr } = await resolve(key);
    assertEquals(code, 2);
    assert(stderr.includes("2 originals are shown so"), stderr);
  }
  assertEquals(await snapshot(client), before);
  assertEquals((await resolve(`tenant:${ids[2]}`)).code, 0);
  assertEquals((await getHash(client, `tenant:{${ids[2]}}:tenant`))?.n, "2");
  assertEquals((await getHash(client, `tenant:{${ids[3]}}:tenant`))?.n, "1");
});

Deno.test("settle() counts what it settled also where the answer was lost, and the client sent the command again", async () => {
  await using server = await startRedis();
  const client = server.client();
  const send = client.callBuffer.bind(client) as (...args: unknown[]) => Promise<unknown>;
  const backend = outpostBackend(client);
  for (const keep of ["original", "copy"] as const) {
    await client.flushall();
    for (const id of ["a", "b"]) await putHash(client, `tenant:${id}`, tenantFields(id));
    await applyAll(backend);
    await putHash(client, "tenant:a", { updated_at: LATER });
    await client.del("tenant:{b}:tenant");
    const keys = ["tenant:a", "tenant:b"];
    const found = await backend.differences(HASH_TAGS, keys, { signal: NEVER });
    client.callBuffer = (async (command: string, args: (string | Uint8Array)[]) => {
      const isSettling = args[0] === SETTLE.sha || args[0] === SETTLE.source;
      if (isSettling) await send("EVAL", [SETTLE.source, ...args.slice(1)]);
      return await send(command, args);
    }) as typeof client.callBuffer;
    assertEquals(await backend.settle(HASH_TAGS, found, keep, { signal: NEVER }), {
      id: HASH_TAGS,
      resolved: 2,
      issues: [],
    });
    client.callBuffer = send as typeof client.callBuffer;
  }
});
