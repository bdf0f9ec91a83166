import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PERMISSIONS } from "../../../scripts/permissions.ts";
import { startRedis } from "../../support/redis.ts";
import { ROOT } from "./compiler.ts";
import { freshDenoDir } from "./fresh_deno_dir.ts";
import { startJsrRegistry } from "./jsr_registry.ts";
import { outcomeOf } from "./outcome.ts";

const { name, version, publish } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));

Deno.test("the package, published to a registry, runs from jsr: and can be imported", async () => {
  await using registry = startJsrRegistry();
  await using home = await freshDenoDir();
  const published = await outcomeOf(Deno.execPath(), {
    args: ["publish", "--token=any", "--no-provenance", "--allow-dirty", "--no-check"],
    cwd: ROOT,
    env: { JSR_URL: registry.url },
  });
  assertEquals(published.code, 0, published.stderr);
  const files = registry.files();
  assert(
    files.includes("/mod.ts") && files.includes("/main.ts") && files.includes("/LICENSE"),
    files.join("\n"),
  );
  const isIncluded = (file: string) =>
    publish.include.some((entry: string) => `${file}/`.startsWith(`/${entry}`));
  assertEquals(files.filter((file) => !isIncluded(file)), []);

  const env = { JSR_URL: registry.url, DENO_DIR: home.denoDir };
  const deno = (...args: readonly string[]) =>
    outcomeOf(Deno.execPath(), { args: [...args], cwd: home.path, env });
  await using redis = await startRedis();
  const address = ["--redis-host", redis.host, "--redis-port", String(redis.port)];
  const listed = await deno(
    "run",
    ...PERMISSIONS,
    `jsr:${name}@${version}/cli`,
    "migrate",
    "list",
    "--redis-only",
    "--json",
    ...address,
  );
  assertEquals(listed.code, 0, listed.stderr);
  assertEquals(JSON.parse(listed.stdout).pending, { sql: 0, redis: 3 });

  await Deno.writeTextFile(
    join(home.path, "library.ts"),
    `import { Engine, parseTimestamp } from "jsr:${name}@${version}";\n` +
      `console.log(typeof Engine, parseTimestamp("1970-01-01T00:00:01Z"));\n`,
  );
  // The library itself asks for nothing: no permission is given.
  const imported = await deno("run", "--check", "--no-prompt", "library.ts");
  assertEquals(imported.code, 0, imported.stderr);
  assertEquals(imported.stdout, "function 1970-01-01T00:00:01.000Z\n");
});
