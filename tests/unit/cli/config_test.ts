import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { SETTING_KEYS } from "../../../cli/settings/table.ts";
import { runInProcess } from "../../support/cli.ts";

async function withFile(name: string, text: string, work: (path: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/${name}`;
  await Deno.writeTextFile(path, text);
  await work(path).finally(() => Deno.remove(folder, { recursive: true }));
}

const YAML = `
api_key: something of Outpost's own
redis:
  host: from-the-file
  password: swordfish
  hots: slip
postgres: postgres://me:swordfish@db/outpost
deployment_id: dp_1
`;

Deno.test("outpost config tells each value and where it came from, secrets hidden", async () => {
  await withFile("outpost.yaml", YAML, async (path) => {
    const args = ["config", "--redis-port", "7000", "-c", path];
    const { code, stdout, stderr } = await runInProcess(args, { env: { LOG_LEVEL: "warn" } });
    assertEquals([code, stderr], [0, ""]);
    const line = (name: string) =>
      stdout.split("\n").find((one) => one.startsWith(`${name} `))!.split(/ {2,}/).slice(1);
    assertStringIncludes(stdout, `Configuration file: ${path}`);
    assertEquals(line("redis.host"), ["REDIS_HOST", "from-the-file", `${path}: redis.host`]);
    assertEquals(line("redis.port"), ["REDIS_PORT", "7000", "--redis-port"]);
    assertEquals(line("redis.password"), ["REDIS_PASSWORD", "[hidden]", `${path}: redis.password`]);
    assertEquals(line("postgres"), [
      "POSTGRES_URL",
      "postgres://me:[hidden]@db/outpost",
      `${path}: postgres`,
    ]);
    assertEquals(line("log_level"), ["LOG_LEVEL", "warn", "LOG_LEVEL"]);
    assertEquals(line("migrate.lock_wait"), ["MIGRATE_LOCK_WAIT", "1m", "default"]);
    // A long path makes the line break.
    assertStringIncludes(
      stdout.replaceAll("\n  ", " "),
      `${path}: redis.hots is not known; did you mean redis.host?`,
    );
    assert(!stdout.includes("swordfish") && !stdout.includes("api_key"));
  });
});

Deno.test("outpost config knows which settings in its sections are those of Outpost's server alone", async () => {
  await withFile(
    "outpost.yaml",
    "redis: { tls_verify: false, pool_size: 20, tls_verfy: true }",
    async (path) => {
      const { stdout } = await runInProcess(["config", "--json"], { env: { CONFIG: path } });
      const { unknown, settings } = JSON.parse(stdout);
      assertEquals(unknown.map(({ key }: { key: string }) => key), ["redis.tls_verfy"]);
      const insecure = settings.find(({ name }: { name: string }) => name === "redis.tls_insecure");
      assertEquals(insecure.value, "false"); // What lets the server accept any certificate does not let this program.
    },
  );
});

Deno.test("outpost config --json has every setting", async () => {
  await withFile("outpost.yaml", YAML, async (path) => {
    const { code, stdout } = await runInProcess(["config", "--json"], { env: { CONFIG: path } });
    const { file, settings, unknown } = JSON.parse(stdout);
    assertEquals([code, file, settings.length], [0, path, SETTING_KEYS.length]);
    assertEquals(settings.find((one: { name: string }) => one.name === "redis.host"), {
      name: "redis.host",
      env: "REDIS_HOST",
      flag: "--redis-host",
      value: "from-the-file",
      origin: "file",
      origin_name: "redis.host",
    });
    assertEquals(unknown, [{ key: "redis.hots", suggestion: "redis.host" }]);
    assert(!stdout.includes("swordfish"));
  });
});

Deno.test("outpost config shows what it can when settings cannot be used, and ends with status 2", async () => {
  const env = { REDIS_PORT: "many", POSTGRES_URL: "mysql://me:swordfish@h/d" };
  const text = await runInProcess(["config"], { env });
  assertEquals(text.code, 2);
  assertStringIncludes(text.stdout.replace(/ +/g, " "), "redis.port REDIS_PORT cannot be used REDIS_PORT");
  assertStringIncludes(text.stderr, "REDIS_PORT must be a whole number from 1 to 65535");
  assertStringIncludes(text.stderr, "POSTGRES_URL must be a URL such as");
  const json = await runInProcess(["config", "--json"], { env });
  assertEquals([json.code, JSON.parse(json.stdout).error.code], [2, "settings_invalid"]);
  for (const { stdout, stderr } of [text, json]) assert(!(stdout + stderr).includes("swordfish"));
});

Deno.test("outpost config contacts no store and needs none to be configured", async () => {
  assertEquals((await runInProcess(["config"])).code, 0);
});
