/**
 * The ClickHouse log: its steps, its tables, its names.
 *
 * @module
 */

import type { ClickHouseClient } from "@clickhouse/client";
import type { ClickHouseBackendOptions } from "../../engine/clickhouse/backend.ts";
import type { StepModule } from "../../engine/sql/step.ts";
import * as init from "./clickhouse/000001_init.ts";
import * as matchedDestinationIds from "./clickhouse/000002_matched_destination_ids.ts";
import * as attemptDestinationType from "./clickhouse/000003_attempt_destination_type.ts";
import { clickhouseSchemas } from "./clickhouse_schemas.ts";

/** All steps, in order. */
export const clickhouseSteps: readonly StepModule[] = [init, matchedDestinationIds, attemptDestinationType];

/** What tells one deployment's log from another's. */
export interface ClickHouseLog {
  /** Owned by the caller. */
  readonly client: ClickHouseClient;
  /** Empty for none; else every table name begins with it and `_`. */
  readonly deploymentId: string;
  /** Host and database, without secrets. */
  readonly identity: string;
  /** Who migrates, for the history. */
  readonly who: string;
  /** Version of the program. */
  readonly version: string;
}

/** What the engine has to know of Outpost's log in ClickHouse. */
export function clickhouseOptions(log: ClickHouseLog): ClickHouseBackendOptions {
  const prefix = log.deploymentId === "" ? "" : `${log.deploymentId}_`;
  const { dirname } = import.meta;
  return {
    client: log.client,
    steps: clickhouseSteps,
    stepsDirectory: dirname === undefined ? null : `${dirname}/clickhouse`,
    tables: { bookkeeping: `${prefix}schema_migrations`, history: `${prefix}outpost_migrations` },
    prefix,
    schemas: clickhouseSchemas,
    recorder: { who: log.who, toolVersion: log.version },
    identity: log.identity,
  };
}
