/**
 * What may happen by chance, one thing at a time.
 *
 * @module
 */

import type { Happening, Population, RunnerFault, ServerFault } from "../history.ts";
import type { Random } from "../random.ts";
import type { Action } from "./application.ts";
import type { Topology } from "./servers.ts";

const RUNNERS = 3;
/** A second is the shortest lease that the program accepts. */
const LEASE = ["--lock-ttl", "1s"];

const OLD_ACTIONS: readonly (readonly [number, Action])[] = [
  [2, "create_tenant"],
  [3, "update_tenant"],
  [1, "delete_tenant"],
  [3, "create_destination"],
  [4, "rotate"],
  [2, "retopic"],
  [2, "disable"],
  [1, "enable"],
  [2, "delete_destination"],
  [1, "purge"],
];

const NEW_ACTIONS: readonly (readonly [number, Action])[] = [
  [3, "create_tenant"],
  [3, "update_tenant"],
  [1, "delete_tenant"],
  [3, "create_destination"],
  [3, "rotate"],
  [2, "retopic"],
  [3, "disable"],
  [0.3, "enable"],
  [4, "delete_destination"],
  [2, "expire"],
];

/** What the next happening depends on. */
export interface Setting {
  readonly populations: readonly Population[];
  readonly topology: Topology;
  readonly mix: number;
  /** How far the history is, from 0 to 1. */
  readonly share: number;
}

/** Anything that may happen. */
export function next(random: Random, setting: Setting): Happening[] {
  const kind = random.weighted([[6, "application"], [4, "run"], [2, "runner_fault"], [0.7, "server_fault"]]);
  if (kind === "run") return [startOf(random, setting.populations)];
  if (kind === "runner_fault") return [runnerFault(random)];
  if (kind === "server_fault") {
    return [{
      type: "server_fault",
      fault: serverFault(random, setting.topology),
      seed: random.between(0, 999),
    }];
  }
  return [actOf(random, setting)];
}

/** Something that an application does. @param release Left out, either. */
export function actOf(
  random: Random,
  setting: Setting,
  release?: "old" | "new",
): Happening & { type: "application" } {
  // Releases come one after the other: the old one is rarely there in the end, and the new one rarely in the beginning.
  const isNew = release === undefined
    ? random.chance(setting.mix * 0.5 + setting.share * 0.5)
    : release === "new";
  const action = random.weighted(isNew ? NEW_ACTIONS : OLD_ACTIONS);
  return {
    type: "application",
    release: isNew ? "new" : "old",
    action,
    deployment: random.between(0, 9),
    // Most of it happens to few: else the two releases would hardly ever meet.
    tenant: random.chance(0.7) ? random.between(0, 1) : random.between(0, 60),
    destination: random.between(0, 2),
  };
}

/** Commands that take the lock beside those that walk at a pace. */
const TAKES_LOCK: ReadonlySet<string> = new Set(["init", "resolve"]);

/** A command of a runner. @param words Left out, any. */
export function startOf(
  random: Random,
  populations: readonly Population[],
  words?: readonly string[],
): Happening & { type: "run" } {
  const batch = random.chance(0.7) ? ["--batch-size", String(random.pick([1, 2, 5, 10]))] : [];
  const waiting = ["--lock-wait", random.pick(["0", "1s", "3s"])];
  const chosen = words ?? random.weighted<readonly string[]>([
    [10, ["migrate", "apply", "--yes"]],
    [3, ["migrate", "apply", "redis/1", "--yes"]],
    [1, ["migrate", "apply", "redis/2", "--yes"]],
    [2, ["migrate", "apply", "redis/1", "--rerun", "--yes"]],
    [1, ["migrate", "apply", "redis/2", "redis/3", "--rerun", "--yes"]],
    [1, ["migrate", "plan"]],
    [1, ["migrate", "verify"]],
    [2, ["migrate", "verify", "--full"]],
    [3, ["migrate", "cleanup", "--yes"]],
    [1, ["migrate", "cleanup", "--yes", "--force"]],
    [0.7, ["migrate", "init"]],
    [0.7, ["migrate", "unlock", "--yes"]],
    [0.3, ["migrate", "unlock", "--yes", "--force"]],
  ]);
  const writes = chosen[1] === "apply" || chosen[1] === "cleanup";
  return {
    type: "run",
    runner: random.between(0, RUNNERS - 1),
    words: [
      ...chosen,
      ...["--json", "--redis-only"],
      ...(writes
        ? [...LEASE, ...waiting, ...batch]
        : TAKES_LOCK.has(chosen[1]!)
        ? [...LEASE, ...waiting]
        : []),
    ],
    deployment: random.between(0, populations.length - 1),
    process: random.chance(0.03),
  };
}

function runnerFault(random: Random): Happening {
  const fault = random.weighted<RunnerFault>([
    [5, "kill"],
    [4, "interrupt"],
    [1, "freeze"],
    [2, "cut"],
    [2, "half_reply"],
    [2, "lost_reply"],
  ]);
  return { type: "runner_fault", runner: random.between(0, RUNNERS - 1), fault };
}

function serverFault(random: Random, topology: Topology): ServerFault {
  return random.weighted<ServerFault>([
    [2, "script_flush"],
    [1, "client_pause"],
    [1, "out_of_memory"],
    [topology === "cluster" ? 0 : 1, "read_only"],
    [topology === "cluster" ? 4 : 0, "move_slots"],
    [topology === "replica" ? 4 : 0, "lag"],
    [topology === "replica" ? 8 : 0, "failover"],
  ]);
}
