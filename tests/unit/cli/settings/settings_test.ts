import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { SETTING_KEYS, SETTINGS } from "../../../../cli/settings/table.ts";
import type { SettingDefinition } from "../../../../cli/settings/setting.ts";
import { checkSettings, type RawSettings, resolveSettings } from "../../../../cli/settings/resolve.ts";
import { parseSettingsFile } from "../../../../cli/settings/file.ts";
import { RefusedError } from "../../../../engine/errors.ts";
import { createOutpostEngine } from "../../../../migrations/mod.ts";

/** A value of each kind that is not the default, and another one. */
function samples(definition: SettingDefinition<unknown>): readonly [string, string, string] {
  const { name, type } = definition;
  if (name === "postgres") return ["postgres://a@h/x", "postgres://b@h/x", "postgres://c@h/x"];
  if (name === "migrate.only") return ["sql", "redis", "sql"];
  if (name === "log_level") return ["debug", "warn", "error"];
  if (name === "migrate.log_format") return ["json", "text", "json"];
  if (type.placeholder === null) return ["true", "false", "true"];
  if (type.placeholder === "DURATION") return ["2s", "3s", "4s"];
  if (["PORT", "NUMBER", "N"].includes(type.placeholder)) return ["11", "12", "13"];
  return ["one", "two", "three"];
}

const yaml = (name: string, value: string) => {
  const parts = name.split(".");
  const lines = parts.map((part, i) => `${"  ".repeat(i)}${part}:`);
  return parseSettingsFile("x.yaml", `${lines.join("\n")} ${JSON.stringify(value)}\n`);
};

for (const key of SETTING_KEYS) {
  const definition = SETTINGS[key] as SettingDefinition<unknown>;
  const [flag, env, file] = samples(definition);
  const resolve = (raw: Partial<RawSettings>) =>
    resolveSettings({ flags: new Map(), env: {}, file: null, ...raw }).find((setting) =>
      setting.key === key
    )!;
  const values = (setting: ReturnType<typeof resolve>) => [
    setting.problem,
    definition.type.show(setting.value),
    setting.origin.kind,
    setting.origin.name,
  ];
  const fromEnv = { [definition.env]: env };
  const fromYaml = await yaml(definition.name, file);
  const fromDotenv = await parseSettingsFile(".env", `${definition.env}=${file}`);

  Deno.test(`resolveSettings() lets the nearest word count for ${definition.name}`, () => {
    assertEquals(resolve({}).origin.kind, "default");
    assertEquals(values(resolve({ file: fromYaml })), [null, file, "file", definition.name]);
    assertEquals(values(resolve({ file: fromDotenv })), [null, file, "file", definition.env]);
    assertEquals(values(resolve({ file: fromYaml, env: fromEnv })), [
      null,
      env,
      "environment",
      definition.env,
    ]);
    if (definition.flag === null) return;
    const flags = new Map<string, unknown>([[
      definition.flag,
      definition.type.placeholder === null ? true : flag,
    ]]);
    assertEquals(values(resolve({ file: fromYaml, env: fromEnv, flags })), [
      null,
      flag,
      "flag",
      `--${definition.flag}`,
    ]);
  });
}

Deno.test("resolveSettings() takes --sql-only and --redis-only before MIGRATE_ONLY", () => {
  const raw = { flags: new Map([["sql-only", true]]), env: { MIGRATE_ONLY: "redis" }, file: null };
  assertEquals(checkSettings(resolveSettings(raw)).only, "sql");
});

Deno.test("resolveSettings() lets a switched-off flag win over the environment", () => {
  const raw = { flags: new Map([["redis-tls", false]]), env: { REDIS_TLS_ENABLED: "true" }, file: null };
  assertEquals(checkSettings(resolveSettings(raw)).redisTls, false);
});

Deno.test("resolveSettings() takes no port for a part of a host, and an IPv6 address for one", () => {
  const problem = (REDIS_HOST: string) =>
    resolveSettings({ flags: new Map(), env: { REDIS_HOST }, file: null })
      .find(({ key }) => key === "redisHost")!.problem !== null;
  assertEquals(["redis:6379", "10.0.0.7:6379", "redis:"].map(problem), [true, true, true]);
  assertEquals(["redis", "10.0.0.7", "::1", "fe80::1%eth0"].map(problem), [false, false, false, false]);
});

Deno.test("resolveSettings() takes an empty variable as not set, and an empty flag as empty", async () => {
  const file = await yaml("redis.password", "from the file");
  const empty = resolveSettings({ flags: new Map(), env: { REDIS_PASSWORD: "" }, file });
  assertEquals(checkSettings(empty).redisPassword, "from the file");
  const flag = resolveSettings({ flags: new Map([["redis-password", ""]]), env: {}, file });
  assertEquals(checkSettings(flag).redisPassword, "");
});

Deno.test("checkSettings() reports all problems at once, names their place and shows no value", async () => {
  const file = await parseSettingsFile(
    "o.yaml",
    "redis:\n  port: sesame\n  tls_enabled: perhaps\npostgres: [a]\n",
  );
  const env = {
    DEPLOYMENT_ID: "not:allowed",
    MIGRATE_LOCK_WAIT: "5 minutes",
    POSTGRES_URL: "postgres://u:hunter2@h:x/d",
  };
  const error = assertThrows(() =>
    checkSettings(resolveSettings({ flags: new Map([["batch-size", "0"]]), env, file }))
  );
  if (!(error instanceof SettingsError)) throw error;
  assertEquals(error.problems, [
    "redis.port in o.yaml must be a whole number from 1 to 65535",
    "redis.tls_enabled in o.yaml must be true or false",
    "POSTGRES_URL must be a URL such as postgres://user@host:5432/database: its port has to be a number from 1 to 65535; " +
    "a password has to be percent-encoded",
    "DEPLOYMENT_ID must be at most 64 letters, digits, - and _",
    "MIGRATE_LOCK_WAIT must be a duration such as 500ms, 3s, 5m, 1h or 0",
    "--batch-size must be a whole number from 1 to 100000",
  ]);
});

Deno.test("checkSettings() refuses durations that no timer and no server takes", () => {
  const named = ["lock-timeout", "statement-timeout", "lock-wait", "lock-ttl"];
  const flags = new Map(named.map((flag) => [flag, "597h"]));
  const error = assertThrows(
    () => checkSettings(resolveSettings({ flags, env: {}, file: null })),
    SettingsError,
  );
  assertEquals(error.problems, named.map((flag) => `--${flag} must be 596h or less`));
});

Deno.test("checkSettings() is content with nothing at all: what a command needs is decided later", () => {
  const settings = checkSettings(resolveSettings({ flags: new Map(), env: {}, file: null }));
  assertEquals([settings.redisHost, settings.redisPort, settings.postgresUrl], ["redis", 6379, null]);
});

Deno.test("resolveSettings() takes values from YAML as they are written", async () => {
  const file = await parseSettingsFile(
    "o.yaml",
    "redis:\n  port: 7000\n  database: 0\n  cluster_enabled: yes\n  password: 0123\npostgres: null\n",
  );
  const settings = checkSettings(resolveSettings({ flags: new Map(), env: {}, file }));
  assertEquals(
    [settings.redisPort, settings.redisDatabase, settings.redisCluster, settings.redisPassword],
    [7000, 0, true, "0123"],
  );
});

Deno.test("resolveSettings() accepts a deployment ID of 64 characters and no longer one", () => {
  const check = (id: string) =>
    resolveSettings({ flags: new Map(), env: { DEPLOYMENT_ID: id }, file: null })
      .find(({ key }) => key === "deploymentId")!.problem;
  assertEquals(check("a-B_9".padEnd(64, "x")), null);
  assertEquals(check("x".repeat(65)), "DEPLOYMENT_ID must be at most 64 letters, digits, - and _");
});

Deno.test("resolveSettings() takes no comma for the installation without an ID", () => {
  const resolved = (raw: unknown, kind: "env" | "flag") =>
    resolveSettings({
      flags: new Map(kind === "flag" ? [["deployment-id", raw]] : []),
      env: kind === "env" ? { DEPLOYMENT_ID: raw as string } : {},
      file: null,
    }).find(({ key }) => key === "deploymentId")!;
  for (const written of ["a,", ",a", "a,,b", ","]) {
    assertStringIncludes(resolved(written, "env").problem!, "DEPLOYMENT_ID has a comma with no ID beside it");
    assertStringIncludes(resolved([written], "flag").problem!, "has a comma with no ID beside it");
  }
  assertEquals(["", "a, b"].map((written) => resolved(written, "env").value), ["", "a,b"]);
  assertEquals(resolved(["", "a"], "flag").value, ",a");
});

Deno.test("resolveSettings() refuses a deployment ID whose keys another installation could take for its own", () => {
  const problemOf = (id: string) =>
    resolveSettings({ flags: new Map(), env: { DEPLOYMENT_ID: id }, file: null })
      .find(({ key }) => key === "deploymentId")!.problem;
  for (const id of ["tenant", "destination_summary", "outpost", "rsmq", "alert", "idempotency"]) {
    assertStringIncludes(problemOf(id)!, `DEPLOYMENT_ID must not be "${id}"`);
    assertThrows(
      () => createOutpostEngine({ deploymentId: id, version: "1", owner: { host: "test", pid: 1 } }),
      RefusedError,
      `must not be "${id}"`,
    );
  }
  for (const id of ["", "dp_001", "tenants", "my-tenant", "outpost-1", "Tenant"]) {
    assertEquals(problemOf(id), null);
  }
});

Deno.test("resolveSettings() explains the port that Kubernetes sets for a service called redis", () => {
  const env = { REDIS_PORT: "tcp://10.0.0.7:6379" };
  const { problem } = resolveSettings({ flags: new Map(), env, file: null }).find(({ key }) =>
    key === "redisPort"
  )!;
  assertEquals(
    problem,
    "REDIS_PORT must be a whole number from 1 to 65535; Kubernetes sets it for a service of that name: " +
      "set enableServiceLinks to false",
  );
});

Deno.test("resolveSettings() takes the log levels of other programs", () => {
  const level = (LOG_LEVEL: string) =>
    checkSettings(resolveSettings({ flags: new Map(), env: { LOG_LEVEL }, file: null })).logLevel;
  assertEquals(["trace", "Debug", "INFO", "warning", "fatal"].map(level), [
    "debug",
    "debug",
    "info",
    "warn",
    "error",
  ]);
});

Deno.test("resolveSettings() lets no address of HTTP count over a nearer word about ClickHouse", async () => {
  const file = await parseSettingsFile("o.yaml", "clickhouse:\n  addr: file:9000\n  http_addr: file:1\n");
  const addressOf = (env: Record<string, string>, flags: readonly (readonly [string, string])[] = []) => {
    const { clickhouseAddr, clickhouseHttpAddr } = checkSettings(
      resolveSettings({ flags: new Map(flags), env, file }),
    );
    return clickhouseHttpAddr ?? clickhouseAddr;
  };
  assertEquals(addressOf({}), "file:1");
  assertEquals(addressOf({ CLICKHOUSE_ADDR: "env:9000" }), "env:9000");
  const both = { CLICKHOUSE_ADDR: "env:9000", CLICKHOUSE_HTTP_ADDR: "env:1" };
  assertEquals(addressOf(both), "env:1");
  assertEquals(addressOf(both, [["clickhouse-addr", "flag:9000"]]), "flag:9000");
  assertEquals(addressOf({}, [["clickhouse-http-addr", "flag:1"]]), "flag:1");
});
