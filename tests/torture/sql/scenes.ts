/**
 * Scenes of several turns, each with a judgement of its own: what was shown is what runs, work that was done is kept, who reads gets an
 * answer.
 *
 * @module
 */

import { join } from "node:path";
import { type Answer, describeAnswer, errorOf } from "../answer.ts";
import { pause, type Stage } from "../stage.ts";
import type { LogApplication } from "./application.ts";
import type { LogHappening } from "./history.ts";
import type { Operator } from "./operator.ts";

/** What commands of a scene have in common. */
const LOCKING = ["--sql-only", "--lock-ttl", "5s", "--lock-wait", "5s"];
/** Few tries: only what was worked for is worth more patience. */
const IMPATIENT = ["--lock-ttl", "20s", "--lock-timeout", "200ms", "--lock-retries", "2"];
/** A command that only reads waits five seconds while somebody holds the tables; after this it is one that nothing ends. */
const READ_MS = 60_000;
/** How long a run has worked when a reader comes, and how long he stays: less, or nothing is judged. */
const WORK_MS = 4000;
const READER_MS = 2500;

/** What scenes are played with. */
export interface Cast {
  readonly stage: Stage;
  readonly operator: Operator;
  readonly application: LogApplication;
  /** The version that is recorded. */
  version(): Promise<number>;
  /** True while a run keeps writers from the application's tables. */
  writersWait(): Promise<boolean>;
  /** Lets commands pass one by one until something holds. */
  until(holds: () => Promise<boolean>): Promise<boolean>;
}

/** Somebody is shown what would run, and another is faster before he agrees: then nothing is done. */
export async function moveAfterShown(
  { stage, version }: Cast,
  { words, other }: LogHappening & { type: "move_after_shown" },
  text: string,
): Promise<void> {
  await stage.calm();
  stage.say(text);
  const before = await version();
  let between = before;
  const shown = words[0] === "force" ? ["force", String(before)] : words;
  const answer = await stage.agreeAfter(["migrate", ...shown, ...LOCKING], async () => {
    await stage.ask(["migrate", ...other, "--yes", "--json", ...LOCKING]);
    between = await version();
  });
  const after = await version();
  if (answer === null || between === before || after === between) return;
  stage.complain(
    "the version",
    `${shown.join(" ")} was shown at ${before}, was agreed to at ${between}, and led to ${after}`,
  );
}

/** A partition is added after a plan was saved: the plan runs as it was shown, or not at all. */
export async function savePlan({ stage, operator, version }: Cast, text: string): Promise<void> {
  await stage.calm();
  await operator.relax();
  stage.say(text);
  const folder = await Deno.makeTempDir({ prefix: "outpost-torture-" });
  try {
    const file = join(folder, "plan.json");
    const plan = ["migrate", "plan", "--json", "--sql-only"];
    const shown = await stage.ask([...plan, "--out", file]);
    operator.act("partition", 0);
    await operator.settled();
    const now = await stage.ask(plan);
    const before = await version();
    const answer = await stage.ask(["migrate", "apply", "--plan", file, "--yes", "--json", ...LOCKING]);
    if (shown?.code !== 0 || now?.code !== 0 || answer === null) return;
    const fits = waysOf(shown) === waysOf(now);
    const ran = await version() !== before;
    if (ran && !fits) stage.complain("the saved plan", "it ran, though it would have been shown otherwise");
    if (fits && answer.code !== 0) {
      stage.complain("the saved plan", `it does not run, and is what is shown: ${describeAnswer(answer)}`);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** How each step of a plan runs. */
function waysOf({ objects: [plan] }: Answer): string {
  const { steps, grouping } =
    (plan as { sql: { steps: { statements: unknown }[]; grouping?: { together: unknown } } }).sql;
  return JSON.stringify([steps.map(({ statements }) => statements), grouping?.together]);
}

/** A reader comes when long work is done: it waits for him, as he leaves sooner than it took, and is not thrown away. */
export async function readLate(
  { stage, operator, application, version, writersWait, until }: Cast,
  { commands }: LogHappening & { type: "read_late" },
  text: string,
): Promise<void> {
  await stage.calm();
  await operator.relax();
  await application.settled();
  const before = await version();
  const words = ["migrate", "apply", "--yes", "--json", "--sql-only", ...IMPATIENT];
  const answers = stage.answers.length;
  await stage.start(0, { words, deployment: "", process: false }, text);
  if (!await until(writersWait)) return;
  await stage.after(commands);
  await pause(WORK_MS);
  const cameAt = performance.now();
  operator.act("long_reader", 0);
  await operator.settled();
  let stayedMs = Infinity;
  const leave = async () => {
    await pause(READER_MS);
    await operator.relax();
    stayedMs = performance.now() - cameAt;
  };
  await Promise.all([stage.calm(), leave()]);
  const answer = stage.answers[answers];
  if (answer === undefined || answer.code === 0 || stayedMs >= WORK_MS) return;
  stage.complain(
    "the work",
    `a reader of ${READER_MS} ms made an apply from ${before} fail that had worked for ${WORK_MS} ms: ${
      describeAnswer(answer)
    }`,
  );
}

/** It answers in time: all that can be known, and who is in the way of the rest. */
export async function readWhileLocked(
  { stage, operator, application, version }: Cast,
  { words, books }: LogHappening & { type: "read_while_locked" },
  text: string,
): Promise<void> {
  await stage.calm();
  await application.settled();
  stage.say(text);
  const recorded = await version() > 0;
  await stage.ask(words);
  const tables = books ? ["schema_migrations"] : ["events", "deliveries", "attempts"];
  await operator.whileLocked(tables, async () => {
    const answer = await stage.ask(words, "", READ_MS);
    if (answer === null || errorOf(answer)?.code === "store_denied") return;
    const [told] = answer.objects as { readonly unread?: readonly object[] }[];
    const held = books && (words.includes("status") || words.includes("list"));
    if (held && recorded && told?.unread?.length !== 1) {
      stage.complain("the program", `${words[1]} does not tell who holds it: ${describeAnswer(answer)}`);
    } else if (!books && errorOf(answer)?.code === "store_unreachable") {
      stage.complain("the program", `${words[1]} gives no answer: ${describeAnswer(answer)}`);
    }
  });
}

/** What stands in the way of any step is found before the first: neither release could use a version in between. */
export async function applyInTheWay(
  { stage, operator, application, version }: Cast,
  { what, at }: LogHappening & { type: "apply_in_the_way" },
  text: string,
): Promise<void> {
  await stage.calm();
  await operator.relax();
  await application.settled(); // It could not write to a partition that is not there.
  operator.act(what, at);
  await operator.settled();
  const before = await version();
  stage.say(text);
  const answer = await stage.ask(["migrate", "apply", "--yes", "--json", ...LOCKING]);
  const after = await version();
  // Of a view some versions are independent; nobody sees the rows of a partition that was detached.
  if (
    answer !== null && (answer.code !== 0 || (what === "detach" && operator.detached)) && after !== before
  ) {
    stage.complain("the version", `something was in the way, and apply went from ${before} to ${after}`);
  }
  await operator.relax();
}
