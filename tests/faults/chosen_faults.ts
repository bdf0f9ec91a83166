/**
 * Which faults come upon a run: chosen by a seed, so that the same seed brings the same ones.
 *
 * @module
 */

import type { Decide, Fault } from "../support/faults/fault.ts";
import { POSTGRES_ERRORS, REDIS_ERRORS } from "../support/faults/fault.ts";
import type { Random } from "../torture/random.ts";

/** A fault and the commands that it comes upon. */
export interface ChosenFault {
  readonly store: "redis" | "postgres";
  /** The first command, counted as the run sends them. */
  readonly at: number;
  /** How many commands from there on. */
  readonly span: number;
  readonly fault: Fault;
}

/**
 * Chooses one to three faults.
 *
 * @param commands How many commands an undisturbed run sends to each store that it uses.
 */
export function chooseFaults(
  random: Random,
  commands: Readonly<Partial<Record<"redis" | "postgres", number>>>,
): ChosenFault[] {
  const stores = (["redis", "postgres"] as const).filter((store) => commands[store] !== undefined);
  return Array.from({ length: random.weighted([[6, 1], [2, 2], [1, 3]]) }, () => {
    const store = random.pick(stores);
    return {
      store,
      at: random.between(0, commands[store]!),
      // Most pass at once; some last a while, and few for good.
      span: random.weighted([[7, 1], [2, random.between(2, 6)], [1, 100_000]]),
      fault: chooseFault(random, store),
    };
  });
}

function chooseFault(random: Random, store: ChosenFault["store"]): Fault {
  const codes = Object.keys(store === "redis" ? REDIS_ERRORS : POSTGRES_ERRORS) as (
    & keyof typeof REDIS_ERRORS
    & keyof typeof POSTGRES_ERRORS
  )[];
  return random.weighted<() => Fault>([
    [6, () => ({ type: "error", code: random.pick(codes) })],
    [2, () => ({ type: "lost_reply" })],
    [1, () => ({ type: "half_reply" })],
    [1, () => ({ type: "cut" })],
    [1, () => ({ type: "delay", ms: random.between(1, 30) })],
  ])();
}

/** A fault in a few words. */
export function describeFault({ store, at, span, fault }: ChosenFault): string {
  const what = fault.type === "error"
    ? fault.code
    : fault.type === "delay"
    ? `delay ${fault.ms} ms`
    : fault.type;
  return `${store} ${what} at ${at}${span === 1 ? "" : ` for ${span}`}`;
}

/**
 * Brings the faults of one store upon its commands.
 *
 * @param onFault Called, and waited for, before each fault.
 */
export function deciding(
  faults: readonly ChosenFault[],
  store: ChosenFault["store"],
  onFault: (fault: ChosenFault) => Promise<void>,
): Decide {
  return async ({ index }) => {
    const chosen = faults.find((one) => one.store === store && index >= one.at && index < one.at + one.span);
    if (chosen === undefined) return null;
    await onFault(chosen);
    return chosen.fault;
  };
}
