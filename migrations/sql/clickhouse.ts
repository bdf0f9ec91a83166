/**
 * The ClickHouse steps in order, and the schema after each.
 *
 * @module
 */

import type { ClickHouseTable } from "../../engine/clickhouse/schema.ts";
import { composeSchemas } from "../../engine/sql/schema_changes.ts";
import type { StepModule } from "../../engine/sql/step.ts";
import { stepsDirectory } from "./steps_directory.ts";
import changes from "./clickhouse_schemas.json" with { type: "json" };
import * as steps from "./clickhouse_steps.ts";

/** All steps, from version 1. */
export const clickhouseSteps: readonly StepModule[] = Object.values(steps).toSorted((a, b) =>
  a.step.version - b.step.version
);

/** The schema after each version, as a released Outpost leaves it: `clickhouseSchemas[0]` is that of version 1. */
export const clickhouseSchemas: readonly (readonly ClickHouseTable[])[] = composeSchemas<ClickHouseTable>(
  changes,
);

/** Folder of the step files, or null where there are none. */
export const clickhouseStepsDirectory: string | null = stepsDirectory(import.meta, "clickhouse");
