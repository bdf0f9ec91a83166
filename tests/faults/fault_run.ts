/**
 * One command of the program under faults, and whether it kept the promises: exit 0 only if everything is done; whatever else it
 * says, what it calls applied is, and a plain run afterwards ends right.
 *
 * @module
 */

import { type Answer, errorOf, issuesOf, parseObjects } from "../torture/answer.ts";
import { runInProcess } from "../support/cli.ts";
import type { Random } from "../torture/random.ts";
import { chooseFaults, type ChosenFault, deciding, describeFault } from "./chosen_faults.ts";
import type { StoreName, World } from "./world.ts";

/** A command that is tried. */
export interface Trial {
  readonly words: readonly string[];
  readonly stores: readonly StoreName[];
  /** True for a command that may change nothing. */
  readonly reads: boolean;
  /** What has to have happened before. */
  readonly before: readonly (readonly string[])[];
}

/** What an undisturbed run of a trial is like. */
export interface Undisturbed {
  readonly commands: Readonly<Partial<Record<StoreName, number>>>;
  readonly contents: ReadonlyMap<string, string>;
  /** The part of what a reading command says that is the same each time. */
  readonly said: string;
}

/** What came of a trial. */
export interface FaultOutcome {
  readonly faults: readonly ChosenFault[];
  /** Exit status with the code of the error, for example `3 lock_lost`. */
  readonly exit: string;
  /** How long the run under faults took, in milliseconds. */
  readonly durationMs: number;
  /** How many faults came upon commands. */
  readonly happened: number;
  /** What broke a promise. */
  readonly finds: readonly string[];
}

/** Of a run under faults: a lease that does not keep the next one waiting. A plain one has time, on a busy machine too. */
const SHORT_LEASE = ["--lock-ttl", "1s"];
/** Longest that a run may take: reconnecting is given up after half a minute. */
const LONGEST_MS = 90_000;

/** Runs a trial without a fault. */
export async function undisturbed(world: World, trial: Trial): Promise<Undisturbed> {
  await prepare(world, trial);
  const before = { redis: world.redis.commands, postgres: world.postgres.commands };
  const { code, stdout, stderr } = await outpost(world, trial, trial.words, "faulty", []);
  if (code !== 0 && !trial.reads) {
    throw new Error(`It ends with ${code} also undisturbed: ${stdout}${stderr}`);
  }
  return {
    commands: Object.fromEntries(trial.stores.map((store) => [store, world[store].commands - before[store]])),
    contents: await world.contents(trial.stores),
    said: said(stdout),
  };
}

/** Runs a trial under faults. @param random Chooses them. */
export async function faultRun(
  world: World,
  trial: Trial,
  expected: Undisturbed,
  random: Random,
): Promise<FaultOutcome> {
  await prepare(world, trial);
  const faults = chooseFaults(random, expected.commands, trial.reads);
  const writes = !trial.reads && trial.stores.includes("redis") && random.chance(0.5);
  const finds: string[] = [];
  const start = await world.contents(trial.stores);
  let [happened, written] = [0, 0];
  const onFault = async () => {
    happened++;
    if (writes) await world.writeLive(++written);
  };
  for (const store of trial.stores) {
    const first = world[store].commands;
    const decide = deciding(faults, store, onFault);
    world[store].decide = (command) => decide({ ...command, index: command.index - first });
  }
  const answer = await outpost(world, trial, trial.words, "faulty");
  const { code, stdout, stderr, hung } = answer;
  world.calm();
  const error = errorOf(answer);
  const exit = `${code}${error === null ? "" : ` ${error.code}`}`;
  const find = (what: string) => finds.push(`${what} (exit ${exit}: ${error?.message ?? ""})`);

  if (hung) find("It did not end");
  if (![0, 1, 3, 4].includes(code) || error?.code === "internal") {
    find(`It ended as nothing foresees: ${stderr}`);
  }
  if (trial.reads) {
    const change = difference(start, await world.contents(trial.stores));
    if (change !== null) find(`It only reads, and changed ${change}`);
    if (code === 0 && said(stdout) !== expected.said) find(`It said ${said(stdout)}, not ${expected.said}`);
  } else {
    if (code === 0) await assertDone("It ended with 0");
    await assertTrue();
    const again = await outpost(world, trial, trial.words, "plain");
    if (again.code !== 0) {
      find(`A plain run afterwards ended with ${again.code}: ${again.stdout}${again.stderr}`);
    } else await assertDone("A plain run afterwards ended with 0");
    if (trial.stores.includes("redis")) {
      const live = await world.readLive();
      if (live !== written) find(`The application wrote ${written} and finds ${live}`);
    }
  }
  return { faults, exit, happened, finds, durationMs: answer.endedAt - answer.startedAt };

  async function assertDone(when: string): Promise<void> {
    const missing = difference(expected.contents, await world.contents(trial.stores));
    if (missing !== null) find(`${when}, but other than after an undisturbed run is ${missing}`);
    const verified = await outpost(world, trial, ["migrate", "verify", "--full"], "plain");
    if (verified.code !== 0) find(`${when}, but verify says ${verified.stdout}${verified.stderr}`);
  }

  /** Whatever is called applied has to be. */
  async function assertTrue(): Promise<void> {
    const listed = await outpost(world, trial, ["migrate", "list"], "plain");
    if (listed.code !== 0) return void find(`list afterwards ended with ${listed.code}: ${listed.stdout}`);
    const { migrations } = JSON.parse(listed.stdout) as { migrations: { id: string; status: string }[] };
    const applied = migrations.filter(({ id, status }) => status === "applied" && id.startsWith("redis/"));
    if (applied.length === 0) return;
    const words = ["migrate", "verify", "--full", ...applied.map(({ id }) => id)];
    const verified = await outpost(world, trial, words, "plain");
    if (verified.code !== 0) find(`It is called applied, but verify finds ${issuesOf(verified).join(" | ")}`);
  }
}

/** A trial and its faults in a line. */
export function describeTrial(trial: Trial, { faults, exit, durationMs }: FaultOutcome): string {
  return `outpost ${trial.words.join(" ")} on ${trial.stores.join(" and ")}, ${
    faults.map(describeFault).join("; ")
  }: exit ${exit} after ${durationMs} ms`;
}

async function prepare(world: World, trial: Trial): Promise<void> {
  await world.reset(trial.stores);
  for (const words of trial.before) {
    const { code, stdout, stderr } = await outpost(world, trial, words, "plain");
    if (code !== 0) throw new Error(`outpost ${words.join(" ")} ended with ${code}: ${stdout}${stderr}`);
  }
}

interface Ended extends Answer {
  readonly stdout: string;
  readonly code: number;
  /** True when it had to be stopped. */
  readonly hung: boolean;
}

async function outpost(
  world: World,
  trial: Trial,
  words: readonly string[],
  way: "faulty" | "plain",
  lease: readonly string[] = way === "faulty" ? SHORT_LEASE : [],
): Promise<Ended> {
  const startedAt = Date.now();
  const side = trial.stores.length === 2 ? [] : [trial.stores[0] === "redis" ? "--redis-only" : "--sql-only"];
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), LONGEST_MS);
  const args = [...words, ...side, "--json", ...(canLock(words) ? lease : [])];
  const result = await runInProcess(args, {
    env: world.env(trial.stores, way),
    stop: stop.signal,
    onFault: (handler) => world.onUncaught = handler,
  });
  clearTimeout(timer);
  world.onUncaught = null;
  return {
    ...result,
    words,
    deployment: "",
    objects: parseObjects(result.stdout),
    startedAt,
    endedAt: Date.now(),
    standstills: [],
    hung: stop.signal.aborted,
  };
}

function canLock(words: readonly string[]): boolean {
  return words[1] === "apply" || words[1] === "cleanup";
}

/** What is the same each time a reading command answers. */
function said(stdout: string): string {
  const [object = {}] = parseObjects(stdout) as Record<string, unknown>[];
  const { pending, has_changes: hasChanges, redis, migrations, ok } = object as Record<string, unknown>;
  const plans = Array.isArray(redis)
    ? (redis as Record<string, unknown>[]).map((one) => [one.id, one.estimated_items, one.valid])
    : null;
  const statuses = Array.isArray(migrations)
    ? (migrations as Record<string, unknown>[]).map(({ id, status }) => [id, status])
    : null;
  return JSON.stringify({ pending, hasChanges, plans, statuses, ok });
}

/** The first entry that differs, or null. */
function difference(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): string | null {
  for (const key of new Set([...a.keys(), ...b.keys()])) {
    if (a.get(key) !== b.get(key)) {
      return `${key}: ${b.get(key) ?? "none"} in place of ${a.get(key) ?? "none"}`;
    }
  }
  return null;
}
