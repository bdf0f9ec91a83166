/**
 * The ordered lists of what an application's stores have been through: one registry over SQL and Redis.
 *
 * @module
 */

import { checkDefinition, shown } from "./check_options.ts";
import type { ClickHouseTable } from "./clickhouse/schema.ts";
import { RegistryError } from "./errors.ts";
import { SQL_STORES } from "./migration.ts";
import type { SchemaObjects } from "./postgres/schema_objects.ts";
import type { RedisMigration } from "./redis/migration.ts";
import { checkSteps, type SqlSteps, stepFileName } from "./sql/step.ts";

/** Every migration that an application knows. A store without any is left out. */
export interface Registry {
  /** Needed for an engine that is given a Postgres. */
  readonly postgres?: SqlSteps<SchemaObjects> | undefined;
  /** Needed for an engine that is given a ClickHouse; `{{name}}` in a statement stands for a table with its prefix. */
  readonly clickhouse?: SqlSteps<readonly ClickHouseTable[]> | undefined;
  /** In order, from version 1. Needed for an engine that is given a Redis. */
  readonly redis?: readonly RedisMigration[] | undefined;
}

/**
 * Checks a registry as a whole, before anything runs.
 *
 * @param registry The migrations by store, each list in order from version 1.
 * @returns The registry itself.
 * @throws {RegistryError} On gaps, repeats, empty steps, a missing schema, and what is of a wrong kind. The message names the
 * offender.
 * @example
 * ```ts
 * import { createRegistry, type StepModule } from "@outpost/migrate";
 *
 * export const registryOf = (steps: readonly StepModule[]) =>
 *   createRegistry({
 *     postgres: { steps, directory: null, schemas: steps.map(() => []) }, // Empty schemas: nothing is compared.
 *   });
 * ```
 */
export function createRegistry(registry: Registry): Registry {
  checkDefinition("registry", registry, "the registry");
  for (const store of SQL_STORES) {
    const sql = registry[store];
    if (sql === undefined) continue;
    checkDefinition("steps", sql, "the SQL steps");
    sql.steps.forEach(({ step }, i) => checkDefinition("step", step, `the SQL step of version ${i + 1}`));
    checkSteps(sql.steps.map(({ step }) => step));
    const lame = sql.steps.find(({ up, down }) => typeof up !== "function" || typeof down !== "function");
    if (lame !== undefined) {
      throw new RegistryError(
        `Cannot use the SQL step "${stepFileName(lame.step)}": it exports no up or no down`,
      );
    }
    if (sql.schemas.length !== sql.steps.length) {
      throw new RegistryError(
        `Cannot use the SQL steps: ${sql.steps.length} steps, ${sql.schemas.length} schemas`,
      );
    }
  }
  const names = new Set<string>();
  for (const [index, { version, name, change }] of (registry.redis ?? []).entries()) {
    if (typeof name !== "string" || name === "") {
      throw new RegistryError(
        `Cannot use the Redis migrations: that of version ${shown(version)} has no name`,
      );
    }
    if (change?.type !== "copy" && change?.type !== "transform") {
      throw new RegistryError(
        `Cannot use the Redis migration "${name}": its change is made by neither copyKeys() nor transformRecords()`,
      );
    }
    if (version !== index + 1) {
      throw new RegistryError(
        `Cannot order the Redis migrations: "${name}" has version ${shown(version)} and stands where ${
          index + 1
        } belongs`,
      );
    }
    if (names.has(name)) {
      throw new RegistryError(
        `Cannot use the Redis migrations: two are called "${name}", and would share one state`,
      );
    }
    names.add(name);
  }
  return registry;
}
