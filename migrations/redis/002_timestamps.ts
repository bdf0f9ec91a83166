/**
 * Times of tenants and destinations become Unix milliseconds, so that they sort as numbers.
 *
 * Before: `created_at` = `2024-01-15T10:30:00.123456789+07:00`. After: `created_at` = `1705289400123`. The same for
 * `updated_at`. `disabled_at` stays: the application may take it away at any moment, and its readers take both forms.
 *
 * A rerun is safe: what is a number already is left alone, and a write happens only over the text that was read.
 *
 * @module
 */

import type { RedisMigration } from "../../engine/redis/migration.ts";
import type { Values } from "../../engine/redis/bulk_reads.ts";
import { type Changes, transformRecords } from "../../engine/redis/transform/change.ts";
import { isNumericTimestamp, parseTimestamp } from "../../engine/timestamp.ts";
import { currentRecords } from "./current_records.ts";

/** Builds the migration for a deployment. */
export function timestamps(deploymentId: string): RedisMigration {
  return {
    name: "002_timestamps",
    version: 2,
    description: "Times of tenants and destinations from RFC 3339 to Unix milliseconds",
    change: transformRecords({
      ...currentRecords(deploymentId),
      fields: ["id", "deleted_at", "created_at", "updated_at"],
      change: toMilliseconds,
    }),
  };
}

function toMilliseconds(_kind: string, [, , createdAt, updatedAt]: Values): Changes {
  const changes: string[] = [];
  for (const [field, value] of [["created_at", createdAt], ["updated_at", updatedAt]] as const) {
    if (!value || isNumericTimestamp(value)) continue; // An empty time is none.
    const time = parseTimestamp(value);
    if (time === null) return { invalid: field };
    changes.push(field, String(time.getTime()));
  }
  return changes.length === 0 ? null : changes;
}
