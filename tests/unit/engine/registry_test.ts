import { assertEquals, assertThrows } from "@std/assert";
import { RegistryError } from "../../../engine/errors.ts";
import { copyKeys } from "../../../engine/redis/copy/copy_keys.ts";
import type { RedisMigration } from "../../../engine/redis/migration.ts";
import { transformRecords } from "../../../engine/redis/transform/change.ts";
import { createRegistry, type Registry } from "../../../engine/registry.ts";
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

Deno.test("createRegistry(), transformRecords() and copyKeys() refuse what is of a wrong kind, and name it", () => {
  const steps = (changes: object) => ({
    postgres: { steps: [sql(1)], directory: null, schemas: [[]], ...changes },
  });
  const rules = { pattern: "user:*", fields: ["seen"], groupOf: () => "", kindOf: () => "users" };
  const transform = (changes: object) => () => transformRecords({ ...rules, change: () => null, ...changes });
  const copy = (changes: object) => () => copyKeys({ ...rules, judge: () => null, ...changes });
  const registry = (given: unknown) => () => createRegistry(given as Registry);
  const step = (changes: object) => registry(steps({ steps: [sql(1, changes)] }));
  const refused: readonly (readonly [() => unknown, string])[] = [
    [registry(undefined), "Cannot use the registry: undefined is no object"],
    [registry({ redis: {} }), "Cannot use the registry: its redis, this object, is no list of objects"],
    [registry({ redis: [null] }), "its redis, this list, is no list of objects"],
    [registry({ redis: [{ ...redis(1, "one"), version: "1" }] }), '"one" has version "1" and stands where 1'],
    [registry({ postgres: [sql(1)] }), "Cannot use the SQL steps: its steps, undefined"],
    [registry(steps({ steps: [{}] })), "Cannot use the SQL step of version 1: undefined is no object"],
    [registry(steps({ schemas: undefined })), "its schemas, undefined, is no list of schemas"],
    [registry(steps({ schemas: [null] })), "its schemas, this list, is no list of schemas"],
    [registry(steps({ directory: undefined })), "its directory, undefined, is no path or null"],
    [step({ up: ["SELECT 1"] }), "its up, this list, is no list of statements, each an object with its text"],
    [step({ forecastDown: undefined }), "its forecastDown, undefined, is no function"],
    [step({ transactional: "no" }), 'its transactional, "no", is no boolean'],
    [() => transformRecords(null as never), "Cannot use what transformRecords() is given: null is no object"],
    [transform({ fields: "seen" }), 'its fields, "seen", is no list of strings'],
    [transform({ groupOf: undefined }), "its groupOf, undefined, is no function"],
    [() => copyKeys(undefined as never), "Cannot use what copyKeys() is given: undefined is no object"],
    [copy({ judge: "all" }), 'its judge, "all", is no function'],
    [copy({ times: "updated_at" }), 'its times, "updated_at", is no list of strings'],
    [copy({ takenAway: { disabled_at: "updated_at" } }), "its takenAway, this object, is no Map"],
  ];
  for (const [make, told] of refused) assertThrows(make, RegistryError, told);
  // What is left out, with the word or without it, is as if nothing were said.
  const { fields, decide, questions } = copyKeys({
    ...{ ...rules, judge: () => null },
    ...{ fields: undefined, decide: undefined, questions: undefined },
  });
  assertEquals([fields, decide("user:1", null, false), questions("user:1", { type: "hash", values: [] })], [
    [""],
    "ask",
    [],
  ]);
  assertEquals(copyKeys({ ...rules, fields: [], judge: () => null }).fields, [""]);
});
