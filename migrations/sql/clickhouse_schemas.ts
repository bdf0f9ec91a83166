/**
 * The tables of the ClickHouse log after each version, as a released Outpost leaves them.
 *
 * @module
 */

import type { ClickHouseTable } from "../../engine/clickhouse/schema.ts";

type Column = ClickHouseTable["columns"][number];
type Index = ClickHouseTable["indexes"][number];

const column = (name: string, type: string, value = ""): Column => ({ name, type, default: value });
const bloom = (expression: string): Index => ({
  name: `idx_${expression}`,
  type: "bloom_filter",
  expression,
  granularity: 1,
});

const ofEvent = [
  ...["event_id", "tenant_id", "destination_id", "topic"].map((name) => column(name, "String")),
  column("eligible_for_retry", "Bool"),
  column("event_time", "DateTime64(3)"),
  column("metadata", "String"),
  column("data", "String"),
];
const ofAttempt = [
  ...["attempt_id", "status"].map((name) => column(name, "String")),
  column("attempt_time", "DateTime64(3)"),
  column("code", "String"),
  column("response_data", "String"),
  column("manual", "Bool", "false"),
  column("attempt_number", "UInt32", "0"),
];

function table(
  name: string,
  time: string,
  columns: readonly Column[],
  indexes: readonly Index[],
): ClickHouseTable {
  return {
    name,
    engine: "ReplacingMergeTree",
    partitionKey: `toYYYYMM(${time}_time)`,
    sortingKey: `${time}_time, ${time}_id`,
    columns,
    indexes: indexes.toSorted((a, b) => (a.name < b.name ? -1 : 1)),
  };
}

const attemptIndexes: readonly Index[] = [
  ...["tenant_id", "destination_id", "event_id", "attempt_id", "topic"].map(bloom),
  { name: "idx_status", type: "set(100)", expression: "status", granularity: 1 },
];
const eventsWithOne = table(
  "events",
  "event",
  ofEvent,
  ["tenant_id", "destination_id", "event_id", "topic"].map(bloom),
);
const eventsWithMany = table(
  "events",
  "event",
  [
    ...ofEvent.filter(({ name }) => name !== "destination_id"),
    column("matched_destination_ids", "Array(String)", "[]"),
  ],
  ["tenant_id", "event_id", "topic", "matched_destination_ids"].map(bloom),
);
const attempts = table("attempts", "attempt", [...ofEvent, ...ofAttempt], attemptIndexes);
const attemptsWithType = table(
  "attempts",
  "attempt",
  [...ofEvent, ...ofAttempt, column("destination_type", "String", "''")],
  [...attemptIndexes, bloom("destination_type")],
);

/** The tables after each version, under their names without a prefix: `clickhouseSchemas[0]` are those of version 1. */
export const clickhouseSchemas: readonly (readonly ClickHouseTable[])[] = [
  [eventsWithOne, attempts],
  [eventsWithMany, attempts],
  [eventsWithMany, attemptsWithType],
];
