import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { UnknownMigrationError } from "../../../engine/errors.ts";
import { migrationId, type StoreName } from "../../../engine/migration.ts";
import { resolveId } from "../../../engine/resolve_id.ts";

const name = (store: StoreName, version: number, text: string) => ({
  id: migrationId(store, version, text),
  store,
  version,
  name: text,
});

const known = [
  ...["init", "delivery_response", "event_delivery_index", "delivery_manual_attempt", "denormalize_attempts"]
    .map((text, i) => name("postgres", i + 1, text)),
  ...["001_hash_tags", "002_timestamps", "003_entity"].map((text, i) => name("redis", i + 1, text)),
];

Deno.test("migrationId() writes SQL versions with six digits and Redis names as they are", () => {
  assertEquals(migrationId("postgres", 5, "denormalize_attempts"), "sql/000005");
  assertEquals(migrationId("clickhouse", 12, "x"), "clickhouse/000012");
  assertEquals(migrationId("redis", 2, "002_timestamps"), "redis/002_timestamps");
});

for (
  const [text, id] of [
    ["sql/000005", "sql/000005"],
    ["sql/5", "sql/000005"],
    ["SQL/5", "sql/000005"],
    ["5", "sql/000005"],
    ["000005", "sql/000005"],
    ["000005_denormalize_attempts", "sql/000005"],
    ["denormalize_attempts", "sql/000005"],
    ["002_timestamps", "redis/002_timestamps"],
    ["timestamps", "redis/002_timestamps"],
    ["redis/2", "redis/002_timestamps"],
    ["redis/002", "redis/002_timestamps"],
    ["redis/002_timestamps", "redis/002_timestamps"],
    ["002", "redis/002_timestamps"],
    [" redis/2 ", "redis/002_timestamps"],
  ] as const
) {
  Deno.test(`resolveId() understands "${text}"`, () => {
    assertEquals(resolveId(text, known).id, id);
  });
}

Deno.test("resolveId() refuses a form that names two migrations and lists both", () => {
  const error = assertThrows(() => resolveId("2", known), UnknownMigrationError) as UnknownMigrationError;
  assertEquals(error.candidates, ["sql/000002", "redis/002_timestamps"]);
});

for (const text of ["", "/", "sql/", "sql/99", "mongo/1", "sql/002_timestamps", "00005", "5 5"]) {
  Deno.test(`resolveId() refuses "${text}" and lists what there is`, () => {
    const error = assertThrows(() => resolveId(text, known), UnknownMigrationError) as UnknownMigrationError;
    assertEquals(error.candidates, known.map(({ id }) => id));
  });
}

Deno.test("resolveId() finds each migration by its own ID and never throws anything but its own error", () => {
  fc.assert(fc.property(fc.constantFrom(...known), ({ id }) => resolveId(id, known).id === id));
  fc.assert(fc.property(fc.string(), (text) => {
    try {
      return known.includes(resolveId(text, known));
    } catch (error) {
      return error instanceof UnknownMigrationError;
    }
  }));
});
