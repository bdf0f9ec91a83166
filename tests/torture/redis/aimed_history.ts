/**
 * Makes histories around what chance alone would hit once in thousands. Those are of few records.
 *
 * @module
 */

import { REDIS_ERRORS, type RedisErrorCode } from "../../support/faults/fault.ts";
import type { Event, History, Population } from "../history.ts";
import { Random } from "../random.ts";
import { refused } from "../refused.ts";
import { anyHistory, fewTenants } from "./any_history.ts";
import { deletingLong, inBetween } from "./held_runs.ts";
import {
  asleepInInit,
  diesBeforePruning,
  diesOnCopy,
  diesOnList,
  forgotten,
  olderTool,
  onlyInit,
  pausedAndChanged,
  settledHalfDone,
  startedAnew,
  writtenSince,
} from "./motifs.ts";
import type { Topology } from "./servers.ts";

/** What belongs to these looks like what belongs to a tenant `x` of a current release, or to one another. */
const BRACED = ["{x}", "{x}:y", "{x}:y}"];

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

const NOBODY: Population = { deployment: "", tenants: [] };

/** The history of a seed that is made for one; null for the others. */
export function aimedHistory(seed: number, topology: Topology): History | null {
  const random = new Random(seed);
  const history = anyHistory(seed, topology);
  const events = history.events.map((event) => event.type === "run" ? { ...event, deployment: 0 } : event);
  const small = { ...history, events, populations: [{ deployment: "", tenants: fewTenants(random) }] };
  switch (seed % 14) {
    case 3:
    case 10: {
      const long = seed % 28 === 24;
      const dies = long ? diesBeforePruning : seed % 14 === 3 ? diesOnCopy : diesOnList;
      return { ...small, long, events: [...dies(random, small.populations), ...events.slice(0, 6)] };
    }
    case 1:
      if (topology !== "single") return held(random, small);
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
      if (topology !== "single") return held(random, small);
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
      return seed % 28 === 8 ? held(random, small) : refusing(random, history);
    case 12:
      return { ...refusing(random, history), odd: true };
    default:
      return null;
  }
}

/** Commands of runs are refused. */
function refusing(random: Random, history: History): History {
  return { ...history, events: refused(random, history.events, REFUSALS) };
}

/** A run is held between what it reads and what it writes. */
function held(random: Random, history: History): History {
  const { populations, topology } = history;
  const long = topology !== "cluster" && random.chance(0.2);
  const turn = long
    ? deletingLong(random, populations)
    : inBetween(random, { populations, topology, mix: 0.5, share: 0.5 });
  return { ...history, long, events: [...turn, ...history.events.slice(0, 4)] };
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

/** Without any memory left, a server that evicts keeps nothing at all: no program could help that. */
function throwsAllAway(event: Event): boolean {
  return event.type === "server_fault" && event.fault === "out_of_memory";
}
