import { assert, assertEquals, assertGreater } from "@std/assert";
import { runInProcess } from "../support/cli.ts";
import { startFaultProxy } from "../support/faults/fault_proxy.ts";
import { startRedis } from "../support/redis.ts";
import { allKeys, destinationFieldsOf, putHash, tenantFields } from "../support/redis_records.ts";

// A tenant of this name is all that tells its old destinations from current ones of the tenant `braced`.
const OLD = "tenant:{braced}";

Deno.test("cleanup() that was cut off at any command knows what is left for an original", {
  sanitizeOps: false,
  sanitizeResources: false,
}, async () => {
  await using redis = await startRedis();
  const client = redis.client();
  await using proxy = startFaultProxy({ protocol: "redis", target: redis.port, decide: () => null });
  const outpost = async (port: number, ...words: string[]) => {
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(port) };
    return await runInProcess(["migrate", ...words, "--redis-only"], { env });
  };
  let at = 0;
  for (let happened = true; happened; at++) {
    await client.flushall();
    await putHash(client, OLD, tenantFields("{braced}"));
    for (const id of ["d", "d:e", "f"]) {
      await putHash(client, `${OLD}:destination:${id}`, destinationFieldsOf(id));
    }
    assertEquals((await outpost(redis.port, "apply", "--yes")).code, 0);
    let seen = 0;
    happened = false;
    proxy.decide = ({ name, text }) => {
      if (!name.startsWith("EVAL") || name.endsWith("_RO") || !text.includes(OLD)) return null;
      if (seen++ !== at) return null;
      happened = true;
      return { type: "error", code: "CLUSTERDOWN" };
    };
    const cut = await outpost(proxy.port, "cleanup", "redis/1", "--yes", "--force", "--batch-size", "1");
    if (happened) assert(cut.code !== 0);
    assertEquals((await outpost(redis.port, "verify", "--full")).code, 0, `after ${at} deletions`);
    const { code, stderr } = await outpost(redis.port, "cleanup", "redis/1", "--yes");
    assertEquals(code, 0, stderr);
    assertEquals((await allKeys(client)).filter((key) => key.startsWith(`${OLD}:`) || key === OLD), []);
  }
  assertGreater(at, 4);
});
