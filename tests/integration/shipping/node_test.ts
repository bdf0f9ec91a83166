import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { seedLegacyRedis } from "../../support/legacy_redis_data.ts";
import { startPostgres } from "../../support/postgres.ts";
import { startRedis } from "../../support/redis.ts";
import { compileForNode } from "./node_package.ts";
import { hasProgram, outcomeOf } from "./outcome.ts";

/** An application that embeds the engine, in plain JavaScript: the gate, the plan, the change, the proof, the gate again. */
const APPLICATION = `
import { mkdir, writeFile } from "node:fs/promises";
import { createOutpostEngine, PendingError, readLeyProject } from "./mod.js";
import { Redis } from "ioredis";
import postgres from "postgres";

const sql = postgres(process.env.POSTGRES_URL, { onnotice: () => {} });
const redis = new Redis(Number(process.env.REDIS_PORT), "127.0.0.1");
await mkdir("steps");
await writeFile("steps/000-notes.mjs", "export const up = (sql) => sql.unsafe('CREATE TABLE notes ()');");
const { files } = await readLeyProject(process.cwd() + "/steps");
const engine = createOutpostEngine({
  postgres: sql,
  redis,
  version: "1.0.0",
  owner: { host: "pod-1", pid: process.pid },
});
try {
  const refused = await engine.assertCurrent().then(() => false, (error) => error instanceof PendingError);
  const { hasChanges } = await engine.plan();
  const { results } = await engine.apply();
  const { ok } = await engine.verify({ full: true });
  const cleaned = await engine.cleanup("redis/1");
  await engine.assertCurrent();
  console.log(JSON.stringify({ refused, hasChanges, applied: results.length, ok, kept: cleaned.kept, files }));
} finally {
  redis.disconnect();
  await sql.end();
}
`;

for (const runtime of ["node", "bun"]) {
  const found = await hasProgram(runtime);
  Deno.test({
    name: `the library runs on ${runtime}${found ? "" : " (NOT RUN: it is not on PATH)"}`,
    ignore: !found,
    async fn() {
      await using redis = await startRedis();
      await using postgres = await startPostgres();
      await using library = await compileForNode(["mod.ts"], ["ioredis", "postgres"]);
      await seedLegacyRedis(redis, { tenants: 10, destinationsPerTenant: 2 });
      await Deno.writeTextFile(join(library.path, "application.js"), APPLICATION);
      const { code, stdout, stderr } = await outcomeOf(runtime, {
        args: ["application.js"],
        cwd: library.path,
        env: { POSTGRES_URL: await postgres.createDatabase(), REDIS_PORT: String(redis.port) },
      });
      assertEquals({ code, stderr }, { code: 0, stderr: "" });
      assertEquals(JSON.parse(stdout), {
        refused: true,
        hasChanges: true,
        applied: 13,
        ok: true,
        kept: 0,
        files: ["000-notes.mjs"],
      });
    },
  });
}
