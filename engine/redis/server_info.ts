/**
 * What a server tells of itself with INFO: which process it is, who follows it, and how much room it has.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { askedTogether } from "./asked_together.ts";
import { isUnavailable } from "./errors.ts";

/** What one server tells at one moment. */
export interface ServerInfo {
  /**
   * The process and the history of writes that it serves: another one after a restart and after a failover, even where the same
   * process is a master again that was a replica in between.
   */
  readonly process: string;
  /** False for a replica, such as a master that was just demoted. */
  readonly isMaster: boolean;
  /** How much was written to it, in bytes of its replication stream. */
  readonly offset: number;
  /** Its replicas that follow it, each with the offset up to which it has confirmed what it got. */
  readonly replicas: readonly { readonly name: string; readonly offset: number }[];
  /** Keys that it has evicted for want of memory since it started. */
  readonly evicted: number;
  /** Bytes in use. */
  readonly usedMemory: number;
  /** Bytes that it may use, or null where there is no limit. */
  readonly maxMemory: number | null;
  /** What it does at that limit, for example `noeviction`. */
  readonly policy: string;
}

/** Asks one server. @returns Null where it does not tell this user. */
export const readServerInfo = askedTogether(async (client: Redis): Promise<ServerInfo | null> => {
  try {
    return parseInfo(String(await client.call("INFO")));
  } catch (error) {
    if (isUnavailable(error)) return null;
    throw error;
  }
});

/** @returns Null for an answer that does not tell which process it is of. */
function parseInfo(text: string): ServerInfo | null {
  const told = new Map(
    text.split(/\r?\n/).map((line) => {
      const at = line.indexOf(":");
      return [line.slice(0, at), line.slice(at + 1)] as const;
    }),
  );
  const run = told.get("run_id");
  if (run === undefined) return null;
  const number = (name: string) => Number(told.get(name) ?? 0);
  return {
    process: `${run} ${told.get("master_replid") ?? ""}`,
    isMaster: told.get("role") !== "slave",
    offset: number("master_repl_offset"),
    replicas: [...told].filter(([name]) => /^slave\d+$/.test(name)).flatMap(([, value]) => replicaOf(value)),
    evicted: number("evicted_keys"),
    usedMemory: number("used_memory"),
    maxMemory: number("maxmemory") || null,
    policy: told.get("maxmemory_policy") ?? "noeviction",
  };
}

/** A replica that is about to get everything anew has nothing to confirm. */
function replicaOf(value: string): ServerInfo["replicas"] {
  const fields = new Map(value.split(",").map((pair) => pair.split("=") as [string, string]));
  if (fields.get("state") !== "online" || !fields.has("offset")) return [];
  return [{ name: `${fields.get("ip")}:${fields.get("port")}`, offset: Number(fields.get("offset")) }];
}
