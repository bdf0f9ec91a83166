import { assertEquals, assertThrows } from "@std/assert";
import { RegistryError } from "../../../engine/errors.ts";
import type { RedisMigration } from "../../../engine/redis/migration.ts";
import { transformRecords } from "../../../engine/redis/transform/change.ts";
import { createRegistry } from "../../../engine/registry.ts";
import type { SqlStep, StepModule } from "../../../engine/sql/step.ts";

const change = transformRecords({
  pattern: "user:*",
  fields: ["seen"],
  kindOf: () => "users",
  change: (_kind, [seen]) => seen === null ? ["seen", "0"] : null,
  groupOf: (key) => key,
});

function redis(version: number, name: string): RedisMigration {
  return { name, version, description: name, change };
}

function sql(version: number, changes: Partial<SqlStep> = {}): StepModule {
  const nothing = { tables: [], consequences: [], warnings: [] };
  const step: SqlStep = {
    version,
    name: "step",
    description: "A step",
    transactional: true,
    up: [{ text: "SELECT 1" }],
    down: [{ text: "SELECT 1" }],
    forecast: () => nothing,
    forecastDown: () => nothing,
    ...changes,
  };
  return { step, up: (runner) => runner.run(step, "up"), down: (runner) => runner.run(step, "down") };
}

Deno.test("createRegistry() returns what it was given when all is in order", () => {
  const registry = {
    postgres: { steps: [sql(1), sql(2)], directory: null, schemas: [[], []] },
    redis: [redis(1, "001_one"), redis(2, "002_two")],
  };
  assertEquals(createRegistry(registry), registry);
  assertEquals(createRegistry({}), {});
});

Deno.test("createRegistry() refuses gaps, repeats, empty steps and missing schemas, and names them", () => {
  const steps = (...modules: StepModule[]) => ({
    postgres: { steps: modules, directory: null, schemas: modules.map(() => []) },
  });
  const refused = [
    [steps(sql(1), sql(3)), '"000003_step.ts" stands where version 2 belongs'],
    [steps(sql(1), sql(1)), '"000001_step.ts" stands where version 2 belongs'],
    [steps(sql(1, { up: [] })), '"000001_step.ts": it has no statements'],
    [{ clickhouse: { steps: [sql(1)], directory: null, schemas: [] } }, "1 steps, 0 schemas"],
    [{ redis: [redis(2, "002_two")] }, '"002_two" has version 2 and stands where 1 belongs'],
    [{ redis: [redis(1, "one"), redis(2, "one")] }, 'two are called "one"'],
  ] as const;
  for (const [registry, message] of refused) {
    assertThrows(() => createRegistry(registry), RegistryError, message);
  }
});
