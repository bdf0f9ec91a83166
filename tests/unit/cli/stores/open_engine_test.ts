import { assertEquals, assertThrows } from "@std/assert";
import { SettingsError, UsageError } from "../../../../cli/errors.ts";
import { chooseSqlStore, readStore } from "../../../../cli/stores/choose.ts";
import { chooseStores } from "../../../../cli/stores/open_engine.ts";
import { checkSettings, resolveSettings } from "../../../../cli/settings/resolve.ts";

const settings = (env: Record<string, string>) =>
  checkSettings(resolveSettings({ flags: new Map(), env, file: null }));
const POSTGRES_URL = "postgres://h/d";

Deno.test("chooseStores() opens what is configured and not left out", () => {
  const choose = (env: Record<string, string>, sides: "both" | "sql" | "redis" = "both") => {
    return [...chooseStores(settings(env), { sides })].join();
  };
  assertEquals(choose({ POSTGRES_URL }), "postgres,redis");
  assertEquals(choose({ POSTGRES_URL, CLICKHOUSE_ADDR: "h:1" }), "postgres,clickhouse,redis");
  assertEquals(choose({ CLICKHOUSE_ADDR: "h:1" }), "clickhouse,redis");
  assertEquals(choose({ CLICKHOUSE_HTTP_ADDR: "h:1" }), "clickhouse,redis");
  assertEquals(choose({ POSTGRES_URL, MIGRATE_ONLY: "sql" }), "postgres");
  assertEquals(choose({ POSTGRES_URL, CLICKHOUSE_ADDR: "h:1", MIGRATE_ONLY: "redis" }), "redis");
  assertEquals(choose({ MIGRATE_ONLY: "redis" }), "redis");
});

Deno.test("chooseStores() clears a dead lock without a SQL database, unless that is all there is", () => {
  assertEquals([...chooseStores(settings({}), { sides: "redis" })], ["redis"]);
  const withoutRedis = settings({ POSTGRES_URL, MIGRATE_ONLY: "sql" });
  assertEquals([...chooseStores(withoutRedis, { sides: "redis" })], ["postgres"]);
});

Deno.test("chooseStores() does not pass over a missing SQL store in silence", () => {
  assertThrows(
    () => chooseStores(settings({}), { sides: "both" }),
    SettingsError,
    "No SQL store is configured",
  );
  assertThrows(() => chooseStores(settings({ MIGRATE_ONLY: "sql" }), { sides: "both" }), SettingsError);
  assertThrows(
    () => chooseStores(settings({ POSTGRES_URL, MIGRATE_ONLY: "redis" }), { sides: "sql" }),
    UsageError,
  );
  const sqlAlone = assertThrows(() => chooseStores(settings({}), { sides: "sql" }), SettingsError);
  assertEquals(sqlAlone.hint?.includes("--redis-only"), false);
});

Deno.test("chooseSqlStore() asks which one only where there are two", () => {
  const both = settings({ POSTGRES_URL, CLICKHOUSE_ADDR: "h:1" });
  assertThrows(() => chooseSqlStore(both, undefined), UsageError, "Two SQL stores are configured");
  assertEquals(chooseSqlStore(both, "clickhouse"), "clickhouse");
  assertEquals(chooseSqlStore(settings({ POSTGRES_URL }), undefined), "postgres");
  assertEquals(chooseSqlStore(settings({ CLICKHOUSE_ADDR: "h:1" }), undefined), "clickhouse");
  assertThrows(() => chooseSqlStore(settings({ POSTGRES_URL }), "clickhouse"), UsageError, "not configured");
  assertEquals([readStore("postgres"), readStore("clickhouse"), readStore(undefined)], [
    "postgres",
    "clickhouse",
    undefined,
  ]);
  assertThrows(() => readStore("mysql"), UsageError);
});
