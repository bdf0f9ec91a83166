/**
 * The Postgres steps in order, imported statically: they work from a checkout, from a compiled program and from a URL alike.
 *
 * @module
 */

import type { SchemaObjects } from "../../engine/postgres/schema_objects.ts";
import type { StepModule } from "../../engine/sql/step.ts";
import * as step01 from "./postgres/000001_init.ts";
import * as step02 from "./postgres/000002_delivery_response.ts";
import * as step03 from "./postgres/000003_event_delivery_index.ts";
import * as step04 from "./postgres/000004_delivery_manual_attempt.ts";
import * as step05 from "./postgres/000005_denormalize_attempts.ts";
import * as step06 from "./postgres/000006_data_jsonb_to_text.ts";
import * as step07 from "./postgres/000007_matched_destination_ids.ts";
import * as step08 from "./postgres/000008_attempt_destination_type.ts";
import * as step09 from "./postgres/000009_response_data_jsonb_to_text.ts";
import * as step10 from "./postgres/000010_rename_attempts_pkey.ts";
import schema01 from "./postgres_schemas/v01.json" with { type: "json" };
import schema02 from "./postgres_schemas/v02.json" with { type: "json" };
import schema03 from "./postgres_schemas/v03.json" with { type: "json" };
import schema04 from "./postgres_schemas/v04.json" with { type: "json" };
import schema05 from "./postgres_schemas/v05.json" with { type: "json" };
import schema06 from "./postgres_schemas/v06.json" with { type: "json" };
import schema07 from "./postgres_schemas/v07.json" with { type: "json" };
import schema08 from "./postgres_schemas/v08.json" with { type: "json" };
import schema09 from "./postgres_schemas/v09.json" with { type: "json" };
import schema10 from "./postgres_schemas/v10.json" with { type: "json" };

/** All steps, from version 1. */
export const postgresSteps: readonly StepModule[] = [
  step01,
  step02,
  step03,
  step04,
  step05,
  step06,
  step07,
  step08,
  step09,
  step10,
];

/** The schema after each version, as a released Outpost leaves it: `postgresSchemas[0]` is that of version 1. */
export const postgresSchemas: readonly SchemaObjects[] = [
  schema01,
  schema02,
  schema03,
  schema04,
  schema05,
  schema06,
  schema07,
  schema08,
  schema09,
  schema10,
];

/** Folder of the step files, or null when this module was loaded from a URL. */
export const postgresStepsDirectory: string | null = import.meta.dirname === undefined
  ? null
  : `${import.meta.dirname}/postgres`;
