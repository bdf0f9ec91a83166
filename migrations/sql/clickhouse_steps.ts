/**
 * The ClickHouse steps, one line each. Imported statically: they work from a checkout, from a compiled program and from a URL alike.
 *
 * @module
 */

export * as step01 from "./clickhouse/000001_init.ts";
export * as step02 from "./clickhouse/000002_matched_destination_ids.ts";
export * as step03 from "./clickhouse/000003_attempt_destination_type.ts";
