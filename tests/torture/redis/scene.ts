/**
 * What a history of Redis is played with.
 *
 * @module
 */

import type { History } from "../history.ts";
import type { Stage } from "../stage.ts";
import type { Application } from "./application.ts";
import type { Ledger } from "./ledger.ts";
import type { RedisWorld } from "./servers.ts";
import { readStored } from "./stored.ts";

/** The lease of every run. */
export const LEASE_MS = 1000;

/** A key of another application, whose name might be that of a deployment. */
export const STRANGER = "cache:outpost:config";

/** What all parts of it work with. */
export interface Scene {
  readonly history: History;
  readonly world: RedisWorld;
  readonly stage: Stage;
  readonly ledger: Ledger;
  /** When applications wrote while nothing was recorded of 001. */
  readonly unmarked: number[];
  /** Makes values differ. */
  salt: number;
  /** The old application of a deployment. */
  old(deployment: string): Application;
  /** A write counts as acknowledged once it would survive the primary. */
  replicated(): Promise<void>;
}

/** A person settles all that differs. */
export function resolveAll(keep: "original" | "copy"): string[] {
  return ["migrate", "resolve", "redis/1", "--all", "--keep", keep, "--yes", "--json", "--redis-only"];
}

/** Some run is for all deployments that there are: it has to tell which these are. */
export function isForAll({ events }: History): boolean {
  return events.some((event) => event.type === "run" && event.together?.length === 0);
}

/** True where a migration is recorded as applied, or as one that has nothing to do. */
export async function isApplied({ client }: RedisWorld, deployment: string, name: string): Promise<boolean> {
  const prefix = deployment === "" ? "" : `${deployment}:`;
  const state = await readStored(client, `${prefix}outpost:migration:${name}`);
  const status = state?.fields.status;
  return status === "applied" || status === "not_applicable";
}
