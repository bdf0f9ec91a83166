/**
 * Which faults come upon a run: chosen by a seed, so that the same seed brings the same ones.
 *
 * @module
 */

import {
  type Decide,
  type Fault,
  POSTGRES_ERRORS,
  type PostgresErrorCode,
  REDIS_ERRORS,
  type RedisErrorCode,
} from "../support/faults/fault.ts";
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
 * @param reads True for a run that only reads: it is told nothing that a server answers to writes alone.
 */
export function chooseFaults(
  random: Random,
  commands: Readonly<Partial<Record<"redis" | "postgres", number>>>,
  reads: boolean,
): ChosenFault[] {
  const stores = (["redis", "postgres"] as const).filter((store) => commands[store] !== undefined);
  return Array.from({ length: random.weighted([[6, 1], [2, 2], [1, 3]]) }, () => {
    const store = random.pick(stores);
    const fault = chooseFault(random, store, reads);
    const at = random.between(0, commands[store]!);
    // Most pass at once; some last a while. An error may stay for good: a connection is waited for, for minutes.
    const lasting = fault.type === "error" ? 100_000 : 6;
    return { store, at, fault, span: random.weighted([[7, 1], [2, random.between(2, 6)], [1, lasting]]) };
  });
}

const UNREFUSED: ReadonlySet<string> = new Set(["ROLLBACK", "SAVEPOINT", "RELEASE"]);

const OF_WRITES = ["READONLY", "OOM", "NOREPLICAS"];

function chooseFault(random: Random, store: ChosenFault["store"], reads: boolean): Fault {
  const codes =
    (store === "redis"
      ? (Object.keys(REDIS_ERRORS) as RedisErrorCode[]).filter((code) => !reads || !OF_WRITES.includes(code))
      : Object.keys(POSTGRES_ERRORS)) as (RedisErrorCode | PostgresErrorCode)[];
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
  return async ({ index, name }) => {
    const chosen = faults.find((one) => one.store === store && index >= one.at && index < one.at + one.span);
    if (chosen === undefined) return null;
    // No server refuses to undo, or to note how far: only a session that ends does not answer.
    const { fault } = chosen;
    if (UNREFUSED.has(name) && fault.type === "error" && fault.code !== "57P01") return null;
    await onFault(chosen);
    return chosen.fault;
  };
}
