/**
 * The ClickHouse steps in order, imported statically: they work from a checkout, from a compiled program and from a URL alike.
 *
 * @module
 */

import type { StepModule } from "../../engine/sql/step.ts";
import * as step01 from "./clickhouse/000001_init.ts";
import * as step02 from "./clickhouse/000002_matched_destination_ids.ts";
import * as step03 from "./clickhouse/000003_attempt_destination_type.ts";

/** All steps, from version 1. */
export const clickhouseSteps: readonly StepModule[] = [step01, step02, step03];

/** Folder of the step files, or null when this module was loaded from a URL. */
export const clickhouseStepsDirectory: string | null = import.meta.dirname === undefined
  ? null
  : `${import.meta.dirname}/clickhouse`;
