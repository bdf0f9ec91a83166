/** What older tools recorded is taken over by `init`: until then every answer that is "nothing to do" leads there. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { putHash } from "../../support/redis_records.ts";
import { startRedis } from "../../support/redis.ts";

Deno.test("what older tools recorded alone is told to programs and on pages, and for several deployments", async () => {
  await using server = await startRedis();
  const redis = server.client();
  const folder = await Deno.makeTempDir();
  const page = `${folder}/plan.html`;
  const env = { REDIS_HOST: server.host, REDIS_PORT: String(server.port), MIGRATE_ONLY: "redis" };
  const run = (line: string) => runInProcess(line.split(" "), { env });
  const json = async (line: string) => JSON.parse((await run(`${line} --json`)).stdout);
  await putHash(redis, "tenant:{t}:tenant", { id: "t", created_at: "1705314600000", entity: "tenant" });
  await redis.set("outpost:schema:version", "3");
  assertEquals((await json("migrate status")).redis, { applied: 3, total: 3, adoptable: true });
  assertEquals((await json("migrate plan")).adoptable, true);
  assertEquals((await run(`migrate plan --html ${page}`)).code, 0);
  assertStringIncludes(await Deno.readTextFile(page), "outpost migrate init");
  for (const command of ["status", "plan"]) {
    const { stdout } = await run(`migrate ${command} --all-deployments`);
    assertStringIncludes(stdout, "Next: outpost migrate init --all-deployments  see whether");
    const [told] = (await json(`migrate ${command} --all-deployments`)).deployments;
    assertEquals(told.redis.adoptable ?? told.adoptable, true);
  }
  assertEquals((await run("migrate init --all-deployments")).code, 0);
  assertEquals((await json("migrate status")).redis, { applied: 3, total: 3 });
  assertEquals("adoptable" in await json("migrate plan"), false);
  assertEquals((await run(`migrate plan --html ${page}`)).code, 0);
  assertEquals((await Deno.readTextFile(page)).includes("outpost migrate init"), false);
  for (const command of ["status", "plan"]) {
    const { stdout } = await run(`migrate ${command} --all-deployments`);
    assertStringIncludes(stdout, "Next: outpost migrate verify --all-deployments");
  }
  await Deno.remove(folder, { recursive: true });
});
