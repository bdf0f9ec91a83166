/**
 * The Postgres steps in order, and the schema after each.
 *
 * @module
 */

import type { SchemaObjects, TableObject } from "../../engine/postgres/schema_objects.ts";
import { composeSchemas } from "../../engine/sql/schema_changes.ts";
import type { StepModule } from "../../engine/sql/step.ts";
import { stepsDirectory } from "./steps_directory.ts";
import changes from "./postgres_schemas.json" with { type: "json" };
import * as steps from "./postgres_steps.ts";

/** All steps, from version 1. */
export const postgresSteps: readonly StepModule[] = Object.values(steps).toSorted((a, b) =>
  a.step.version - b.step.version
);

/** The schema after each version, as a released Outpost leaves it: `postgresSchemas[0]` is that of version 1. */
export const postgresSchemas: readonly SchemaObjects[] = composeSchemas<TableObject>(changes);

/** Folder of the step files, or null where there are none. */
export const postgresStepsDirectory: string | null = stepsDirectory(import.meta, "postgres");
