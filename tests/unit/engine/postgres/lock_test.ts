import { assertEquals } from "@std/assert";
import { advisoryLockKey, golangMigrateLockKey } from "../../../../engine/postgres/lock.ts";

Deno.test("advisoryLockKey() computes the keys that golang-migrate's own tests expect", () => {
  assertEquals(advisoryLockKey(["database_name"]), 1764327054n);
  assertEquals(advisoryLockKey(["schema_name_1", "database_name"]), 2453313553n);
  assertEquals(advisoryLockKey(["schema_name_2", "database_name"]), 235207038n);
  assertEquals(advisoryLockKey(["schema_name_1", "schema_name_2", "database_name"]), 3743845847n);
});

Deno.test("golangMigrateLockKey() hashes schema, table and database in this order, unsigned", () => {
  assertEquals(golangMigrateLockKey("schema_name_1", "schema_name_2", "database_name"), 3743845847n);
  assertEquals(
    golangMigrateLockKey("public", "schema_migrations", "outpost"),
    advisoryLockKey(["public", "schema_migrations", "outpost"]),
  );
});
