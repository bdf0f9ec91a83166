/**
 * Plays one history after the other, until there is a find, enough were played, or the time is over.
 *
 * @module
 */

import { type Playable, RedisHalf, SqlHalf } from "./halves.ts";
import { letClocksDiffer } from "./faults/host_clock.ts";
import type { Topology } from "./redis/servers.ts";
import { catchFaults } from "./runner.ts";
import { shrink } from "./shrink.ts";
import type { Find } from "./stage.ts";

/** How long and on what. */
export interface TortureOptions {
  /** Of the first history; the next ones count up. Null for one by chance. */
  readonly seed: number | null;
  readonly seconds: number | null;
  readonly histories: number | null;
  readonly side: "redis" | "sql" | "both";
  /** Of the Redis half; null for all in turn. */
  readonly topology: Topology | null;
  /** Print the log of every history. */
  readonly log: boolean;
  /** Finds whose text has one of these in it do not count: known ones, while their fix is on its way. */
  readonly ignore: readonly string[];
  /** Make the history of a find shorter, which takes as long as some dozens of histories. */
  readonly shorten: boolean;
  /** Go on after a find. */
  readonly keepGoing: boolean;
  readonly say: (text: string) => void;
}

/** What came of it. */
export interface TortureResult {
  readonly histories: number;
  readonly finds: number;
}

/** Every third history is one of the SQL half, where both are played. */
const SQL_TURN = 3;
const DEFAULT_SECONDS = 60;
/** Finds shown of one history. */
const SHOWN = 5;
/** Histories in a row that could not be played: no server of this machine will do. */
const UNPLAYABLE = 10;

/** Plays. */
export async function torture(options: TortureOptions): Promise<TortureResult> {
  const { say, histories = null, seconds } = options;
  const first = options.seed ?? Math.floor(Math.random() * 1_000_000_000);
  say(`seed ${first}`);
  const unwaited: Find[] = [];
  using _faults = catchFaults((error) => {
    const what = error instanceof Error ? error.stack ?? error.message : String(error);
    unwaited.push({ key: "", what: `a failure that nothing waited for: ${what}` });
  });
  using _clocks = letClocksDiffer();
  await using redis = new RedisHalf();
  await using sql = new SqlHalf();
  const make = (seed: number): Playable => {
    const isSql = options.side === "sql" || (options.side === "both" && seed % SQL_TURN === 0);
    return isSql ? sql.make(seed) : redis.make(seed, options.topology);
  };
  const isFind = ({ key, what }: Find) => !options.ignore.some((text) => `${key}: ${what}`.includes(text));
  const started = performance.now();
  const limit = seconds ?? (histories === null ? DEFAULT_SECONDS : Infinity);
  const elapsed = () => (performance.now() - started) / 1000;
  let [played, found, unplayable] = [0, 0, 0];
  for (let seed = first; played < (histories ?? Infinity) && elapsed() < limit; seed++) {
    const history = make(seed);
    const outcome = await history.play().catch(async (error: Error) => {
      // The servers themselves failed, as clusters do whose slots move too fast: that says nothing about the program.
      say(`seed ${seed} could not be played: ${error.message}`);
      if (++unplayable === UNPLAYABLE) throw error;
      await Promise.all([redis.restart(), sql.restart()]);
      return null;
    });
    if (outcome === null) continue;
    unplayable = 0;
    // What the program would end with as a fault of its own.
    const finds = [...outcome.finds, ...unwaited.splice(0)].filter(isFind);
    played++;
    if (options.log) say(outcome.log.join("\n"));
    if (finds.length === 0) continue;
    found++;
    say(`FIND in history ${played} after ${elapsed().toFixed(0)} s, seed ${seed}`);
    await tell(history, { finds, log: outcome.log }, isFind, options);
    if (!options.keepGoing) break;
  }
  const rate = Math.round((played / elapsed()) * 3600);
  say(`${played} histories in ${elapsed().toFixed(0)} s, ${rate} an hour, ${found} with a find`);
  return { histories: played, finds: found };
}

async function tell(
  history: Playable,
  outcome: { readonly finds: readonly Find[]; readonly log: readonly string[] },
  isFind: (find: Find) => boolean,
  { say, shorten, log }: Pick<TortureOptions, "say" | "shorten" | "log">,
): Promise<void> {
  for (const { key, what } of outcome.finds.slice(0, SHOWN)) say(`  ${JSON.stringify(key)}: ${what}`);
  say(`  to see it again: deno task torture ${history.again} --histories 1 --log`);
  if (!log) {
    say("  how it went:");
    for (const line of outcome.log) say(`    ${line}`);
  }
  if (!shorten) return;
  const short = await shrink({ history, outcome }, isFind);
  say(`  the story in ${short.history.events.length} events:`);
  for (const line of short.history.story()) say(`    ${line}`);
  say("  how that went:");
  for (const line of short.outcome.log) say(`    ${line}`);
  for (const { key, what } of short.outcome.finds.slice(0, SHOWN)) {
    say(`    => ${JSON.stringify(key)}: ${what}`);
  }
}
