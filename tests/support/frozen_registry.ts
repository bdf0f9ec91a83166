/**
 * Outpost's migrations as they were when the tests of the engine were written: ten Postgres steps, three of ClickHouse, three
 * Redis migrations. What is added later has tests of its own and changes none of theirs.
 *
 * @module
 */

import { createEngine } from "../../engine/create_engine.ts";
import type { Engine } from "../../engine/engine.ts";
import type { RedisMigration } from "../../engine/redis/migration.ts";
import { createRegistry, type Registry } from "../../engine/registry.ts";
import type { SqlSteps } from "../../engine/sql/step.ts";
import { type OutpostEngineOptions, outpostNames, outpostRegistry } from "../../migrations/mod.ts";

/** The first three Redis migrations. */
export function frozenRedisMigrations(deploymentId: string): readonly RedisMigration[] {
  return outpostRegistry(deploymentId).redis!.slice(0, 3);
}

/** The first migrations of each store. */
export function frozenRegistry(deploymentId: string): Registry {
  const { postgres, clickhouse } = outpostRegistry(deploymentId);
  return createRegistry({
    postgres: first(postgres!, 10),
    clickhouse: first(clickhouse!, 3),
    redis: frozenRedisMigrations(deploymentId),
  });
}

/** The folder of the steps holds all of them, so that the first alone have none. */
function first<Schema>({ steps, schemas, directory }: SqlSteps<Schema>, count: number): SqlSteps<Schema> {
  return {
    steps: steps.slice(0, count),
    schemas: schemas.slice(0, count),
    directory: steps.length === count ? directory : null,
  };
}

/** As `createOutpostEngine()`, with the first migrations of each store. */
export function createFrozenEngine(options: OutpostEngineOptions): Engine {
  const { postgres, deploymentId = "", postgresSettings, ...rest } = options;
  return createEngine({
    ...rest,
    deployment: deploymentId,
    registry: frozenRegistry(deploymentId),
    names: outpostNames(deploymentId),
    postgres: postgres === undefined ? undefined : { client: postgres, ...postgresSettings },
  });
}
