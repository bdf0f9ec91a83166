/**
 * The Redis migrations, in order.
 *
 * @module
 */

import type { RedisMigration } from "../engine/redis/migration.ts";
import { hashTags } from "./redis/001_hash_tags.ts";
import { timestamps } from "./redis/002_timestamps.ts";
import { entity } from "./redis/003_entity.ts";

/** All Redis migrations of a deployment. @param deploymentId Empty for an installation without one. */
export function redisMigrations(deploymentId: string): readonly RedisMigration[] {
  return [hashTags(deploymentId), timestamps(deploymentId), entity(deploymentId)];
}
