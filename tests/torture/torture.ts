/**
 * Plays one history after the other, until there is a find, enough were played, or the time is over.
 *
 * @module
 */

import { describe, type History } from "./history.ts";
import { generate } from "./redis/generate.ts";
import { play } from "./redis/play.ts";
import { type RedisWorld, startWorld, type Topology } from "./redis/servers.ts";
import { catchFaults } from "./runner.ts";
import { shrink } from "./shrink.ts";
import type { Outcome } from "./stage.ts";

/** How long and on what. */
export interface TortureOptions {
  /** Of the first history; the next ones count up. Null for one by chance. */
  readonly seed: number | null;
  readonly seconds: number | null;
  readonly histories: number | null;
  readonly side: "redis" | "sql" | "both";
  /** Null for all in turn. */
  readonly topology: Topology | null;
  /** Print the log of every history. */
  readonly log: boolean;
  /** Finds whose text has one of these in it do not count: known ones, while their fix is on its way. */
  readonly ignore: readonly string[];
  /** Go on after a find. */
  readonly keepGoing: boolean;
  readonly say: (text: string) => void;
}

/** What came of it. */
export interface TortureResult {
  readonly histories: number;
  readonly finds: number;
}

/** Histories on one kind of servers before they are started anew, and how often each kind has its turn. */
const TURN: readonly Topology[] = ["single", "single", "cluster", "single", "single", "replica"];

/** Plays. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { say } = options;
  const first = options.seed ?? Math.floor(Math.random() * 1_000_000_000);
  say(`seed ${first}`);
  using _faults = catchFaults((error) => say(`fault that nothing waited for: ${error}`));
  await using worlds = new Worlds();
  const started = performance.now();
  const deadline = started + (options.seconds ?? (options.histories === null ? 60 : 86_400)) * 1000;
  let [played, finds] = [0, 0];
  for (let seed = first; played < (options.histories ?? Infinity) && performance.now() < deadline; seed++) {
    const topology = options.topology ?? TURN[seed % TURN.length]!;
    const history = generate(seed, topology);
    const outcome = await playOn(worlds, history, options.ignore);
    played++;
    if (options.log) say(outcome.log.join("\n"));
    if (outcome.finds.length === 0) continue;
    finds++;
    await tell(options, worlds, history, outcome);
    if (!options.keepGoing) break;
  }
  const seconds = (performance.now() - started) / 1000;
  say(
    `${played} histories in ${seconds.toFixed(0)} s, ${
      Math.round((played / seconds) * 3600)
    } an hour, ${finds} with a find`,
  );
  return { histories: played, finds };
}

async function playOn(worlds: Worlds, history: History, ignore: readonly string[]): Promise<Outcome> {
  const { finds, log } = await play(history, await worlds.of(history.topology));
  return {
    finds: finds.filter(({ key, what }) => !ignore.some((text) => `${key}: ${what}`.includes(text))),
    log,
  };
}

async function tell(
  { say, ignore }: TortureOptions,
  worlds: Worlds,
  history: History,
  outcome: Outcome,
): Promise<void> {
  say(`FIND with seed ${history.seed} on ${history.topology}:`);
  for (const { key, what } of outcome.finds.slice(0, 5)) say(`  ${JSON.stringify(key)}: ${what}`);
  say(
    `  to see it again: deno task torture --seed ${history.seed} --topology ${history.topology} --histories 1 --log`,
  );
  const shorter = await shrink(history, outcome, (candidate) => playOn(worlds, candidate, ignore));
  say(`  the story in ${shorter.history.events.length} events:`);
  for (const event of shorter.history.events) {
    say(`    after ${event.after}: ${describe(event, shorter.history)}`);
  }
  say(`  how it went:`);
  for (const line of shorter.outcome.log) say(`    ${line}`);
  for (const { key, what } of shorter.outcome.finds.slice(0, 5)) {
    say(`    => ${JSON.stringify(key)}: ${what}`);
  }
}

/** The servers, started when they are first needed. A pair that has failed over is of no use to the next history. */
class Worlds implements AsyncDisposable {
  readonly #worlds = new Map<Topology, RedisWorld>();

  async of(topology: Topology): Promise<RedisWorld> {
    const known = this.#worlds.get(topology);
    if (known !== undefined && topology !== "replica") return known;
    await known?.[Symbol.asyncDispose]();
    const world = await startWorld(topology);
    this.#worlds.set(topology, world);
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const world of this.#worlds.values()) await world[Symbol.asyncDispose]();
  }
}
