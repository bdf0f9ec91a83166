/**
 * Turns that families of mistakes in the log store have in common, and that chance alone would seldom put together.
 *
 * @module
 */

import type { Random } from "../random.ts";
import { WHOLE_RUN } from "../stage.ts";
import { prepareWords, startOf } from "./generate.ts";
import type { LogAction, LogEvent, OperatorAction } from "./history.ts";

const APPLY = ["apply", "--yes"];
/** What a run may meet. */
const OTHERS: readonly OperatorAction[] = [
  "long_reader",
  "prepared_transaction",
  "partition",
  "row_security",
  "row_security",
  "view",
];

/** One of them. */
export function logMotif(random: Random): LogEvent[] {
  return random.pick([undisturbed, undisturbed, frozen, thereAndBack, cutOffOnTheWayBack, prepared])(random);
}

/** What an old log may meet first of all, before any step has run. */
export function openingMotif(random: Random): LogEvent[] {
  return random.pick([hidden, frozen, undisturbed, prepared, prepared])(random);
}

/** Policies hide the rows of a table from the role that migrates, and then no longer. */
function hidden(random: Random): LogEvent[] {
  return [
    { after: 0, type: "operator", action: "row_security", at: random.between(0, 2) },
    { after: 0, ...startOf(random, APPLY) },
    { after: WHOLE_RUN, type: "operator", action: "relax", at: 0 },
  ];
}

/** Others in the database, and a run that is given the time to meet them. */
function undisturbed(random: Random): LogEvent[] {
  const run = startOf(random, random.pick([APPLY, APPLY, ["down", "6", "--yes"]]));
  const events: LogEvent[] = [{ after: 0, ...run }];
  for (let i = random.between(0, 2); i > 0; i--) {
    events.unshift({ after: 0, type: "operator", action: random.pick(OTHERS), at: 0 });
  }
  return [...events, { after: WHOLE_RUN, type: "application", action: "read", at: 0 }];
}

/** A run that stands still somewhere in its steps. */
function frozen(random: Random): LogEvent[] {
  const { process: _, ...run } = startOf(random, APPLY);
  return [
    { after: 0, ...run, process: false },
    random.chance(0.7)
      ? { after: 0, type: "long_freeze", runner: run.runner, holding: true }
      : { after: random.between(30, 250), type: "long_freeze", runner: run.runner, holding: false },
  ];
}

/** Up, down and up again, while the application delivers anew what had been put into the quarantine. */
function thereAndBack(random: Random): LogEvent[] {
  const at = random.between(0, 99);
  return [
    { after: 0, type: "application", action: "orphan", at },
    { after: 0, ...startOf(random, APPLY) },
    { after: WHOLE_RUN, type: "application", action: "replay", at },
    { after: 0, ...startOf(random, ["down", "6", "--yes"]) },
    { after: WHOLE_RUN, ...startOf(random, APPLY) },
  ];
}

/** From the top, steps are taken back by a run that is cut off in the middle of them. */
function cutOffOnTheWayBack(random: Random): LogEvent[] {
  return [
    { after: 0, ...startOf(random, APPLY) },
    {
      after: WHOLE_RUN,
      type: "down_and_follow",
      begun: random.chance(0.7),
      steps: random.between(2, 4),
      fault: random.pick(["interrupt", "interrupt", "lost_reply"]),
      commands: random.between(0, 100),
    },
  ];
}

/** The application goes on while tables are prepared beside it, by a run that may be killed, and then they take their places. */
export function prepared(random: Random): LogEvent[] {
  const WRITES: readonly LogAction[] = ["event", "delivery", "delivery", "orphan", "index_row", "late_event"];
  const writes = () =>
    Array.from({ length: random.between(1, 4) }, (): LogEvent => ({
      after: random.pick([0, 0, 15]),
      type: "application",
      action: random.pick(WRITES),
      at: random.between(0, 999),
    }));
  const prepare = startOf(random, prepareWords(random));
  const fault = (): LogEvent[] =>
    random.chance(0.5)
      ? [{
        after: random.between(0, 150),
        type: "runner_fault",
        runner: prepare.runner,
        fault: random.pick(["kill", "cut", "lost_reply"]),
      }]
      : [];
  const end = random.weighted<readonly string[]>([
    [4, APPLY],
    [1, ["apply", "--yes", "--no-prepared"]],
    [1, ["prepare", "--abort"]],
    [1, ["down", "1", "--yes"]],
  ]);
  const at = random.between(0, 999);
  const write = (action: LogAction): LogEvent => ({ after: 0, type: "application", action, at });
  return [
    ...writes(),
    write("orphan"),
    { after: 0, ...prepare },
    ...writes(),
    ...fault(),
    ...writes(),
    { after: WHOLE_RUN, ...prepare },
    // What was made of a delivery before its event came is made anew.
    { ...write("late_event"), after: random.pick([0, WHOLE_RUN, WHOLE_RUN]) },
    ...writes(),
    { after: random.pick([0, 40, WHOLE_RUN]), ...startOf(random, end) },
    ...writes(),
  ];
}

/**
 * A run has read what it puts in the place of the application's tables, and is about to keep readers away too, or to drop the old ones.
 * It stands still, the application writes, and it goes on: whatever was not kept waiting would be gone.
 */
export function held(random: Random, ready: boolean): LogEvent[] {
  const { process: _, ...run } = startOf(random, APPLY);
  const before = random.pick(["shut readers out", "drop tables"] as const);
  const write = (action: LogAction, after: number): LogEvent => {
    return { after, type: "application", action, at: random.between(0, 999) };
  };
  return [
    ...(ready
      ? [
        { after: 0, ...startOf(random, prepareWords(random)), process: false },
        write("forget", WHOLE_RUN),
        write("forget", 0),
      ]
      : []),
    { after: 0, ...run, process: false },
    { after: 0, type: "runner_fault", runner: run.runner, fault: { what: "freeze", before } },
    // The first of them waits until the run stands still.
    write("event", WHOLE_RUN),
    ...(["delivery", "delivery", "orphan", "index_row"] as const).map((action) => write(action, 0)),
    { after: 0, type: "runner_fault", runner: run.runner, fault: "wake" },
    write("read", WHOLE_RUN),
  ];
}
