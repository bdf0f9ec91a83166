/**
 * Makes a history of the log store of a seed.
 *
 * @module
 */

import { held, logMotif, openingMotif, prepared } from "./motifs.ts";
import { POSTGRES_ERRORS, type PostgresErrorCode } from "../../support/faults/fault.ts";
import { Random } from "../random.ts";
import { refused } from "../refused.ts";
import { WHOLE_RUN } from "../stage.ts";
import type { RunnerFault } from "../history.ts";
import type {
  Hosts,
  LogAction,
  LogEvent,
  LogHappening,
  LogHistory,
  OperatorAction,
  Start,
} from "./history.ts";

const RUNNERS = 3;
/** What may happen at any time. */
type AnyTime = Exclude<LogHappening["type"], "refusal" | "move_after_shown" | "save_plan" | "read_late">;
/** Short waits, so that a history is short too. */
const STEP = ["--lock-ttl", "1s", "--lock-timeout", "200ms", "--lock-retries", "2"];
const OUTPUT = ["--json", "--sql-only"];

/** Makes the history of a seed. The same seed always gives the same one. */
export function generateLog(seed: number): LogHistory {
  const random = new Random(seed ^ 0x51);
  // These are made around tables that are prepared, before anything else happens to them.
  const preparing = [2, 7, 17].includes(seed % 20);
  const start: Start = {
    version: preparing
      ? 4
      : random.weighted([[8, 4], [1, 0], [1, random.between(1, 3)], [3, random.between(5, 10)]]),
    schema: random.weighted<"public" | "a">([[3, "public"], [1, "a"]]),
    reordered: random.chance(0.15),
    events: random.pick([5, 20, 60]),
    hosts: hostsOf(seed),
    settings: settingsOf(seed),
    elsewhere: [5, 7, 15].includes(seed % 20),
  };
  const events: LogEvent[] = [];
  if (start.elsewhere) events.push({ after: 0, type: "operator", action: "partition", at: 0 });
  events.push(...aimedOpening(seed));
  if (preparing) events.push(...prepared(random));
  else if (random.chance(0.3)) events.push(...openingMotif(random));
  const count = random.between(5, 20);
  for (let i = 0; i < count; i++) {
    if (random.chance(0.15)) events.push(...logMotif(random));
    events.push({ after: random.weighted([[3, 0], [3, 2], [3, 8], [2, 25]]), ...next(random) });
  }
  const isRefused = seed % 20 === 4 || seed % 20 === 14;
  return { seed, start, events: isRefused ? refused(random, events, REFUSALS) : events };
}

/** What a server may answer at any time. */
const REFUSALS = Object.keys(POSTGRES_ERRORS) as PostgresErrorCode[];

/** In some seeds the URL names another host: one on which nothing can be written is to be passed over. */
function hostsOf(seed: number): Hosts | null {
  if (![0, 10, 16].includes(seed % 20)) return null;
  const random = new Random(seed ^ 0x33);
  const [other, first] = [random.pick(["standby", "standby", "nobody"] as const), random.chance(0.7)];
  const choice = ["read-write", "primary"];
  // Where no standby is asked before the primary, other words lead there too.
  const others = other === "nobody" ? [null, "any", "prefer-standby"] : first ? [] : [null, "any"];
  return { other, first, wanted: random.pick([...choice, ...choice, ...others]) };
}

/** What somebody may have set for any session of a role, that changes what it reads, what it writes, or how long it lasts. */
const SETTINGS: readonly string[] = [
  "quote_all_identifiers = on",
  "standard_conforming_strings = off",
  "default_transaction_isolation = 'repeatable read'",
  "default_transaction_isolation = serializable",
  "DateStyle = 'German, DMY'",
  "IntervalStyle = sql_standard",
  "TimeZone = 'Asia/Kolkata'",
  "array_nulls = off",
  "transform_null_equals = on",
  "row_security = off",
  "client_min_messages = error",
  "enable_indexscan = off",
  "plpgsql.extra_errors = 'all'",
  "plpgsql.variable_conflict = use_variable",
];
/**
 * Those that only the program has to stand: whoever writes the log would be ended by them too. They hold until the program has said
 * otherwise, which on a busy machine takes it some 100 ms.
 */
const HARSH: readonly string[] = [
  "default_transaction_read_only = on",
  "idle_session_timeout = '1s'",
  "idle_in_transaction_session_timeout = '1s'",
  "statement_timeout = '1s'",
  "lock_timeout = '1ms'",
  "search_path",
];

/** In some seeds roles have settings of their own. */
function settingsOf(seed: number): Start["settings"] {
  if (![3, 6, 13, 17].includes(seed % 20)) return { program: [], application: [] };
  const random = new Random(seed ^ 0x5e);
  const some = (list: readonly string[], count: number) => random.shuffled(list).slice(0, count);
  return { program: [...some(SETTINGS, 3), ...some(HARSH, 2)], application: some(SETTINGS, 3) };
}

/** Some seeds begin with what chance alone would hardly put together. */
function aimedOpening(seed: number): LogEvent[] {
  const random = new Random(seed ^ 0x77);
  switch (seed % 20) {
    case 9: {
      const words = random.pick([["apply"], ["down", "1"], ["down", "2"], ["down", "--to", "6"], ["force"], [
        "force",
      ]]);
      const other = random.pick([["down", "1"], ["down", "2"]]);
      return [
        { after: 0, ...startOf(random, ["apply", "--yes"]) },
        // From the top, or with something left to apply.
        { after: WHOLE_RUN, ...startOf(random, ["down", String(random.between(1, 3)), "--yes"]) },
        { after: WHOLE_RUN, type: "move_after_shown", words, other },
      ];
    }
    case 1:
    case 11:
      return [
        { after: 0, type: "operator", action: "revoke_usage", at: 0 },
        { after: 0, ...startOf(random, random.pick([["apply", "--yes"], prepareWords(random), ["status"]])) },
        { after: random.pick([20, WHOLE_RUN]), type: "operator", action: "relax", at: 0 },
        { after: 0, ...startOf(random, ["apply", "--yes"]) },
        { after: random.between(5, 200), type: "operator", action: "revoke_usage", at: 0 },
      ];
    case 0:
    case 10:
      return held(random, seed % 20 === 0);
    case 12:
      return [{ after: 0, type: "save_plan", at: 0 }];
    case 8:
      return [{ after: 0, type: "apply_in_the_way", what: "detach", at: random.between(0, 1) }];
    case 19: {
      const action = random.pick(["toast", "subscription"] as const);
      return [
        { after: 0, type: "operator", action, at: random.between(0, 1) },
        { after: 0, ...startOf(random, ["apply", "--yes"]) },
        { after: WHOLE_RUN, type: "application", action: "read", at: 0 },
      ];
    }
    case 18:
      return [{ after: 0, type: "read_late", commands: random.between(3, 20) }];
    default:
      return [];
  }
}

function next(random: Random): LogHappening {
  const type = random.weighted<AnyTime>([
    [6, "application"],
    [2, "operator"],
    [4, "run"],
    [2, "runner_fault"],
    [0.25, "long_freeze"],
    [0.25, "read_while_locked"],
    [0.3, "apply_in_the_way"],
    [0.6, "down_and_follow"],
  ]);
  switch (type) {
    case "application":
      return { type, action: logAction(random), at: random.between(0, 999) };
    case "operator":
      return { type, action: operatorAction(random), at: random.between(0, 999) };
    case "run":
      return startOf(random);
    case "runner_fault":
      return { type, runner: random.between(0, RUNNERS - 1), fault: runnerFault(random) };
    case "long_freeze":
      return { type, runner: random.between(0, RUNNERS - 1), holding: random.chance(0.5) };
    case "read_while_locked":
      return {
        type,
        words: ["migrate", random.pick(["verify", "plan", "status", "list"]), ...OUTPUT],
        books: random.chance(0.3),
      };
    case "apply_in_the_way":
      return { type, what: random.pick(["view", "detach"]), at: random.between(0, 999) };
    case "down_and_follow":
      return {
        type,
        begun: random.chance(0.5),
        steps: random.between(2, 4),
        fault: random.pick<RunnerFault>(["interrupt", "cut", "lost_reply", "half_reply"]),
        commands: random.between(0, 120),
      };
  }
}

function logAction(random: Random): LogAction {
  return random.weighted<LogAction>([
    [3, "event"],
    [5, "delivery"],
    [2, "orphan"],
    [2, "index_row"],
    [1, "late_event"],
    [1, "replay"],
    [3, "read"],
  ]);
}

function operatorAction(random: Random): OperatorAction {
  return random.weighted<OperatorAction>([
    [2, "long_reader"],
    [2, "prepared_transaction"],
    [2, "partition"],
    [2, "row_security"],
    [2, "view"],
    [1, "toast"],
    [1, "subscription"],
    [4, "relax"],
  ]);
}

/** A command of a runner. @param words Left out, any. */
export function startOf(random: Random, words?: readonly string[]): LogHappening & { type: "run" } {
  const chosen = words ?? random.weighted<readonly string[]>([
    [8, ["apply", "--yes"]],
    [1, ["apply", "--yes", `sql/${random.between(1, 10)}`]],
    [0.5, ["apply", "--yes", "--no-prepared"]],
    [2, prepareWords(random)],
    [0.5, ["prepare", "--abort"]],
    [1, ["down", "1", "--yes"]],
    [1, ["down", String(random.between(2, 7)), "--yes"]],
    [1, ["verify"]],
    [1, ["plan"]],
    [0.5, ["status"]],
  ]);
  const writes = ["apply", "prepare", "down"].includes(chosen[0]!);
  const waiting = ["--lock-wait", random.pick(["0", "1s", "3s"])];
  return {
    type: "run",
    runner: random.between(0, RUNNERS - 1),
    words: ["migrate", ...chosen, ...OUTPUT, ...(writes ? [...STEP, ...waiting] : [])],
    process: random.chance(0.03),
  };
}

/** Small batches are many, between which anything may happen. */
export function prepareWords(random: Random): readonly string[] {
  return ["prepare", "--batch-size", random.pick(["3", "20", "5000"])];
}

function runnerFault(random: Random): RunnerFault {
  return random.weighted<RunnerFault>([
    [4, "kill"],
    [2, "interrupt"],
    [1, "freeze"],
    [2, "cut"],
    [2, "half_reply"],
    [3, "lost_reply"],
  ]);
}
