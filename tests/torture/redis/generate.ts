/**
 * Makes a history of a seed.
 *
 * @module
 */

import type { Action } from "./application.ts";
import type { Event, Happening, History, Population, RunnerFault, ServerFault } from "../history.ts";
import {
  asleepInInit,
  diesBeforePruning,
  diesOnCopy,
  diesOnList,
  forgotten,
  freshStart,
  motif,
  olderTool,
  onlyInit,
  pausedAndChanged,
  settledHalfDone,
  startedAnew,
  writtenSince,
} from "./motifs.ts";
import { REDIS_ERRORS, type RedisErrorCode } from "../../support/faults/fault.ts";
import { Random } from "../random.ts";
import { refused } from "../refused.ts";
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

const ID_FORMS: readonly ((n: number) => string)[] = [
  (n) => `t${n}`,
  (n) => `t${n}:b`,
  (n) => `t${n}::b:`,
  (n) => `\xff\xfet${n}\x80`,
  (n) => `*t${n}?[a]\\`,
  (n) => `t${n}}{`,
  (n) => `{t${n}:x`,
  (n) => `t${n}:destinations`,
  (n) => `t ${n}`,
];

const DESTINATIONS = ["d1", "d2", "d:3"];

/** What belongs to these looks like what belongs to a tenant `x` of a current release, or to one another. */
const BRACED = ["{x}", "{x}:y", "{x}:y}"];

/** Makes the history of a seed. The same seed and topology always give the same one. */
export function generate(seed: number, topology: Topology): History {
  return settled(aimedHistory(seed, topology) ?? anyHistory(seed, topology));
}

/** In some seeds the program is in another database than the first, or has no more rights than it needs, and at times less. */
function settled(history: History): History {
  const { seed, topology } = history;
  const random = new Random(seed ^ 0x7d);
  const database = seed % 14 === 2 && topology !== "cluster" ? random.between(1, 15) : 0;
  const granted = [2, 10].includes(seed % 14);
  const events = [...history.events];
  for (let i = granted ? random.between(0, 3) : 0; i > 0; i--) {
    const revoke = { type: "server_fault", fault: "revoke", seed: random.between(0, 999) } as const;
    events.splice(random.between(1, events.length), 0, { after: random.between(0, 60), ...revoke });
  }
  return { ...history, database, granted, events: seed % 2 === 0 ? events : onOtherClocks(random, events) };
}

/** Hosts whose clocks are wrong by minutes or days. */
function onOtherClocks(random: Random, events: readonly Event[]): Event[] {
  return events.map((event) =>
    event.type === "run" && !event.process && random.chance(0.4)
      ? { ...event, aheadMs: random.pick(WRONG_BY_MS) }
      : event
  );
}

const MINUTE_MS = 60_000;
/** Also by more than what is left of a deleted record is kept for. */
const WRONG_BY_MS = [-10 * 1440, -90, -1, 1, 90, 10 * 1440].map((minutes) => minutes * MINUTE_MS);

/** Every seventh seed or so makes a history around what chance alone would hit once in thousands. Those are of few records. */
function aimedHistory(seed: number, topology: Topology): History | null {
  const random = new Random(seed);
  const history = anyHistory(seed, topology);
  const small = { ...history, populations: [{ deployment: "", tenants: fewTenants(random) }] };
  const events = history.events.map((event) => event.type === "run" ? { ...event, deployment: 0 } : event);
  switch (seed % 14) {
    case 3:
    case 10: {
      const long = seed % 28 === 24;
      const dies = long ? diesBeforePruning : seed % 14 === 3 ? diesOnCopy : diesOnList;
      return { ...small, long, events: [...dies(random, small.populations), ...events.slice(0, 6)] };
    }
    case 1:
      if (topology !== "single") return null;
      return { ...small, events: [...startedAnew(random, small.populations), ...events] };
    case 6:
      if (topology !== "single") return null;
      if (seed % 28 === 20) {
        return {
          ...history,
          neighbours: false,
          oldest: true,
          populations: [NOBODY],
          events: onlyInit(random, [NOBODY]),
        };
      }
      return { ...history, neighbours: false, populations: [NOBODY], events: asleepInInit(random, [NOBODY]) };
    case 4:
      if (topology !== "single") return null;
      return { ...small, scarce: true, events: events.filter((event) => !throwsAllAway(event)) };
    case 0:
    case 5:
    case 7:
      return together(random, seed, topology);
    case 9:
      return { ...small, events: [...settledHalfDone(random, small.populations), ...events.slice(0, 10)] };
    case 11: {
      const setting = { populations: small.populations, topology, mix: 0.5, share: 0.5 };
      return { ...small, coarse: true, events: [...pausedAndChanged(random, setting), ...events] };
    }
    case 13:
      return besideOlderTool(random, seed, topology);
    case 2:
      return braced(random, history);
    case 8:
    case 12:
      return { ...history, odd: seed % 14 === 12, events: refused(random, history.events, REFUSALS) };
    default:
      return null;
  }
}

/** Tenants whose IDs are braced. In half of these nobody settles what differs. */
function braced(random: Random, history: History): History {
  const tenants = fewTenants(random).map((tenant, n) => ({ ...tenant, id: BRACED[n]! }));
  const populations = [{ deployment: "", tenants }];
  const events = history.events.map((event) => event.type === "run" ? { ...event, deployment: 0 } : event);
  const unsettled = history.seed % 28 === 2;
  // What differs then is too long to be settled in one step.
  const long = [...writtenSince(random, populations, "retopic"), ...events];
  if (!unsettled) return { ...history, populations, long: true, events: long };
  const opening = random.pick([forgotten, writtenSince])(random, populations);
  // A rerun that met what differs would have nothing cleaned up.
  const others = events.filter((event) => event.type !== "run" || !event.words.includes("--rerun"));
  return { ...history, populations, unsettled, events: [...opening, ...others] };
}

/** Several deployments, one's name within another's, and runners of which each works on some of them, or all, at once. */
function together(random: Random, seed: number, topology: Topology): History {
  const history = anyHistory(seed, topology, random.pick(FLEETS));
  const { populations, neighbours } = history;
  const choose = () => {
    // Among the neighbours is a deployment that nobody migrates.
    if (!neighbours && random.chance(0.5)) return [];
    const all = random.shuffled([...populations.keys()]);
    return all.slice(0, random.between(2, all.length));
  };
  const events = history.events.map((event) =>
    event.type === "run" && TOGETHER.has(event.words[1]!) && random.chance(0.7)
      ? { ...event, together: choose() }
      : event
  );
  return { ...history, events: seed % 14 === 5 ? refused(random, events, REFUSALS) : events };
}

/** An older tool takes its turns. Its lock goes with nothing but itself: no server loses it, and nobody clears it. */
function besideOlderTool(random: Random, seed: number, topology: Topology): History {
  const history = anyHistory(seed, topology, random.pick([["dp_001"], ["", "dp_001"], ["a", "a-b"]]));
  const events = history.events.filter((event) =>
    event.type !== "server_fault" && (event.type !== "run" || event.words[1] !== "unlock")
  );
  // Without an ID the marks would be the deployment's own. While they are believed, no run has anything to do.
  const shared = seed % 28 === 27 && history.populations.every(({ deployment }) => deployment !== "");
  return { ...history, shared, events: [...olderTool(random, history.populations), ...events] };
}

/** Commands that take several deployments. */
const TOGETHER: ReadonlySet<string> = new Set(["apply", "plan", "verify", "cleanup", "init"]);

const FLEETS: readonly (readonly string[])[] = [
  ["", "a", "a-b"],
  ["a", "a_a", "a-a"],
  ["", "dp_1", "dp_10", "dp_100"],
  ["", "t0", "-", "z"],
];

/** What any server may answer at any time, and one of a cluster. */
const REFUSALS: readonly RedisErrorCode[] = Object.keys(REDIS_ERRORS) as RedisErrorCode[];

/** Without any memory left, a server that evicts keeps nothing at all: no program could help that. */
function throwsAllAway(event: Event): boolean {
  return event.type === "server_fault" && event.fault === "out_of_memory";
}

const NOBODY: Population = { deployment: "", tenants: [] };

function fewTenants(random: Random): Population["tenants"] {
  return Array.from({ length: 3 }, (_, n) => ({
    id: `t${n}`,
    destinations: DESTINATIONS.slice(0, random.between(1, 3)),
    deleted: false,
  }));
}

function anyHistory(seed: number, topology: Topology, deployments?: readonly string[]): History {
  const random = new Random(seed);
  const fresh = random.chance(0.04) && deployments === undefined;
  const populations = fresh ? [{ deployment: "", tenants: [] }] : populate(random, deployments);
  const events: Event[] = [];
  const count = random.between(6, 26);
  // Old and new releases at once, one after the other, or one alone.
  const mix = random.pick([0.2, 0.5, 0.8]);
  if (fresh) events.push(...freshStart(random, populations));
  for (let i = 0; i < count; i++) {
    const share = i / count;
    if (random.chance(0.12)) {
      events.push(...motif(random, { populations, topology, mix, share }));
      continue;
    }
    for (const happening of next(random, { populations, topology, mix, share })) {
      events.push({ after: random.weighted([[3, 0], [3, 1], [3, 3], [3, 8], [1, 25]]), ...happening });
    }
  }
  return {
    seed,
    topology,
    populations,
    neighbours: !fresh && random.chance(0.6),
    scarce: false,
    oldest: false,
    unsettled: false,
    long: false,
    coarse: false,
    odd: false,
    shared: false,
    database: 0,
    granted: false,
    events,
  };
}

function populate(random: Random, deployments?: readonly string[]): Population[] {
  const odd = random.chance(0.3);
  const ids = deployments ?? random.weighted<readonly string[]>([
    [5, [""]],
    [3, ["", "dp_001"]],
    [1, ["a", "a_b"]],
    [1, ["", "a", "a-b"]],
  ]);
  return ids.map((deployment) => ({
    deployment,
    tenants: Array.from({ length: random.weighted([[3, 3], [3, 8], [2, 20], [1, 60]]) }, (_, n) => ({
      id: (odd ? random.pick(ID_FORMS) : ID_FORMS[0]!)(n),
      destinations: DESTINATIONS.slice(0, random.between(0, 3)),
      deleted: random.chance(0.08),
    })),
  }));
}

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
