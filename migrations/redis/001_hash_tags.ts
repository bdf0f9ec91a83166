/**
 * Every key of a tenant gets a hash tag, so that a cluster keeps them on one node.
 *
 * Before: `tenant:<id>`, `tenant:<id>:destinations`, `tenant:<id>:destination:<dest>`, `tenant:<id>:<anything>` and
 * `destination_summary:<id>:<dest>`. After: also `tenant:{<id>}:tenant`, `tenant:{<id>}:destinations`,
 * `tenant:{<id>}:destination:<dest>`, `tenant:{<id>}:<anything>` and `tenant:{<id>}:destination_summary:<dest>`, with the
 * same content and TTL. The originals stay until cleanup.
 *
 * A rerun is safe: a copy is only made under a free name, so that what the application has written since is kept.
 *
 * @module
 */

import { copyKeys } from "../../engine/redis/copy/copy_keys.ts";
import type { RedisMigration } from "../../engine/redis/migration.ts";
import { legacyKeys } from "./legacy_keys.ts";

/** Builds the migration for a deployment. */
export function hashTags(deploymentId: string): RedisMigration {
  return {
    name: "001_hash_tags",
    version: 1,
    description: "Keys of tenants and destinations under names with a hash tag",
    isApplicable: () => deploymentId === "" ? null : "Not needed - using DEPLOYMENT_ID",
    change: copyKeys(legacyKeys),
  };
}
