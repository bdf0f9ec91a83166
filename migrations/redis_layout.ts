/**
 * The names of keys that Outpost and its migration tools use in Redis.
 *
 * @module
 */

import type { OlderState, RedisLayout } from "../engine/redis/layout.ts";

/** What keys of a deployment begin with: nothing, or its ID and a colon. */
export function deploymentPrefix(deploymentId: string): string {
  return deploymentId === "" ? "" : `${deploymentId}:`;
}

/**
 * The bookkeeping of a deployment.
 *
 * @param deploymentId Empty for an installation without one.
 */
export function redisLayout(deploymentId: string): RedisLayout {
  const prefix = deploymentPrefix(deploymentId);
  const ignored = [`${prefix}outpost:migration:lock`, `${prefix}outpost:migration:fence`];
  return {
    deployment: deploymentId,
    stateKey: (name) => `${prefix}outpost:migration:${name}`,
    olderStates: (name) => deploymentId === "" ? firstTool(name) : shared(name),
    runKeys,
    donePhases: ["applied", "verified", "cleaned"],
    // The oldest summaries, which never had a prefix, may be all that is left.
    usedPrefixes: [`${prefix}outpost:`, `${prefix}tenant:`, ...prefix === "" ? ["destination_summary:"] : []],
    isIgnored: (key) => ignored.some((name) => key === name || key.startsWith(`${name}:`)),
  };
}

/** Before v0.14 all deployments shared the names without a prefix. */
function shared(name: string): OlderState[] {
  return [{ key: `outpost:migration:${name}`, form: "hash" }];
}

/** The first tool knew no deployments. */
function firstTool(name: string): OlderState[] {
  return [
    { key: `outpost:migration:${name}:state`, form: "phase" },
    { key: "outpost:schema:version", form: "version" },
  ];
}

/**
 * The command line of v0.6 to v0.13 told of a run right after it had called the migration applied. What failed of 001 is for verify to
 * name: run again, it could bring back what the application has deleted since.
 */
function runKeys(name: string, key: string, seconds: number): string[] {
  return name === "001_hash_tags" ? [] : [seconds, seconds + 1].map((time) => `${key}:run:${time}`);
}
