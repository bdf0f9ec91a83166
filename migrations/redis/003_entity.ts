/**
 * Tenants and destinations say what they are, for the search index that covers both.
 *
 * Before: no field `entity`. After: `entity` = `tenant` or `destination`. What a current application leaves of a deleted record,
 * `deleted_at` in milliseconds and no `id`, is nothing to search for, and stays.
 *
 * A rerun is safe: a record that has the field is left alone, and the field is set only where it is still missing.
 *
 * @module
 */

import type { RedisMigration } from "../../engine/redis/migration.ts";
import { transformRecords } from "../../engine/redis/transform/change.ts";
import { isNumericTimestamp } from "../../engine/timestamp.ts";
import { currentRecords } from "./current_records.ts";

/** Builds the migration for a deployment. */
export function entity(deploymentId: string): RedisMigration {
  return {
    name: "003_entity",
    version: 3,
    description: "The field entity for tenants and destinations",
    change: transformRecords({
      ...currentRecords(deploymentId),
      fields: ["id", "deleted_at", "entity"],
      change: (kind, [id, deletedAt, found]) =>
        found || (!id && isNumericTimestamp(deletedAt ?? ""))
          ? null
          : ["entity", kind === "tenants" ? "tenant" : "destination"],
    }),
  };
}
