/**
 * Runs the program under random faults, as often as the time allows, and counts how it ended.
 *
 * @module
 */

import { Random } from "../torture/random.ts";
import { describeTrial, faultRun, type Trial, type Undisturbed, undisturbed } from "./fault_run.ts";
import { World } from "./world.ts";

const APPLY = ["migrate", "apply", "--yes"];
const trial = (
  words: readonly string[],
  stores: Trial["stores"],
  options: { readonly reads?: boolean; readonly before?: Trial["before"] } = {},
): Trial => ({ words, stores, reads: options.reads ?? false, before: options.before ?? [] });

/** What is tried, each as often as its weight says. */
const TRIALS: readonly (readonly [weight: number, trial: Trial])[] = [
  [10, trial(APPLY, ["redis"])],
  [6, trial(APPLY, ["postgres"])],
  [3, trial(APPLY, ["redis", "postgres"])],
  [3, trial(["migrate", "cleanup", "--yes"], ["redis"], { before: [APPLY] })],
  [1, trial(["migrate", "cleanup", "--yes"], ["redis", "postgres"], { before: [APPLY] })],
  [1, trial(["migrate", "list"], ["redis", "postgres"], { reads: true })],
  [1, trial(["migrate", "plan"], ["redis", "postgres"], { reads: true })],
  [1, trial(["migrate", "verify", "--full"], ["redis", "postgres"], { reads: true, before: [APPLY] })],
];

/** Options of {@linkcode faultRuns}. */
export interface FaultRunsOptions {
  /** Decides everything. The run number N of a seed is the first one of the seed plus N. */
  readonly seed: number;
  /** When to stop, in seconds. */
  readonly seconds: number;
  /** How many runs at most. */
  readonly runs: number;
  /** Told of every run that broke a promise, and, where all is wanted, of every other. */
  readonly say: (line: string, isFind: boolean) => void;
}

/** What came of all runs. */
export interface Summary {
  readonly runs: number;
  /** Faults that came upon a command. */
  readonly faults: number;
  /** How often each exit status with its error code was the end. */
  readonly exits: ReadonlyMap<string, number>;
  readonly finds: number;
}

/** Runs until the time or the number is reached. */
export async function faultRuns({ seed, seconds, runs, say }: FaultRunsOptions): Promise<Summary> {
  await using world = await World.start();
  const known = new Map<Trial, Undisturbed>();
  const exits = new Map<string, number>();
  const end = performance.now() + seconds * 1000;
  let [done, faults, finds] = [0, 0, 0];
  while (done < runs && performance.now() < end) {
    const number = seed + done;
    const random = new Random(number);
    const chosen = random.weighted(TRIALS);
    if (!known.has(chosen)) known.set(chosen, await undisturbed(world, chosen));
    const outcome = await faultRun(world, chosen, known.get(chosen)!, random);
    done++;
    faults += outcome.happened;
    exits.set(outcome.exit, (exits.get(outcome.exit) ?? 0) + 1);
    if (outcome.finds.length > 0) finds++;
    const line = `seed ${number}: ${describeTrial(chosen, outcome)}`;
    say([line, ...outcome.finds.map((find) => `  ${find}`)].join("\n"), outcome.finds.length > 0);
  }
  return { runs: done, faults, exits, finds };
}

/** A summary in a few lines. */
export function describeSummary({ runs, faults, exits, finds }: Summary): string {
  const counted = [...exits].sort(([, a], [, b]) => b - a).map(([exit, count]) => `${count} x ${exit}`);
  return `${runs} runs, ${faults} faults, ${finds} finds; exits: ${counted.join(", ")}`;
}
