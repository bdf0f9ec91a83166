/**
 * The Postgres steps, one line each. Imported statically: they work from a checkout, from a compiled program and from a URL alike.
 *
 * @module
 */

export * as step01 from "./postgres/000001_init.ts";
export * as step02 from "./postgres/000002_delivery_response.ts";
export * as step03 from "./postgres/000003_event_delivery_index.ts";
export * as step04 from "./postgres/000004_delivery_manual_attempt.ts";
export * as step05 from "./postgres/000005_denormalize_attempts.ts";
export * as step06 from "./postgres/000006_data_jsonb_to_text.ts";
export * as step07 from "./postgres/000007_matched_destination_ids.ts";
export * as step08 from "./postgres/000008_attempt_destination_type.ts";
export * as step09 from "./postgres/000009_response_data_jsonb_to_text.ts";
export * as step10 from "./postgres/000010_rename_attempts_pkey.ts";
