/**
 * How what an application writes is taken in, as long as it writes: in rounds, and then all of it while it is kept away.
 *
 * @module
 */

import type { Query } from "../query.ts";
import type { Preparation } from "./describe.ts";
import { countLeft, drain, type Horizon, noHorizon } from "./drain.ts";
import { Dwindling } from "./dwindling.ts";

/** Notes that are few enough to be taken in while writers wait. */
const FEW = 200;

/**
 * Takes in what was written since, until little is left, or until it gets no less: an application may write faster than that.
 *
 * @param within Runs work in a transaction of its own.
 * @param onTaken Told of how many writes were taken in; what it does is waited for.
 */
export async function catchUp(
  within: <T>(work: (query: Query) => Promise<T>) => Promise<T>,
  preparation: Preparation,
  onTaken: (taken: number) => Promise<void>,
): Promise<Horizon> {
  const dwindling = new Dwindling(1);
  let horizon = noHorizon(preparation);
  const left = () => within((query) => countLeft(query, preparation, horizon));
  for (let wanted = await left(); wanted >= FEW && dwindling.by(wanted); wanted = await left()) {
    while (wanted > 0) {
      const done = await within((query) => drain(query, preparation, horizon));
      horizon = done.horizon;
      if (done.taken === 0) break;
      wanted -= done.taken;
      await onTaken(done.taken);
    }
  }
  return horizon;
}

/**
 * Takes in what is left, within a transaction and under a lock that keeps writers away.
 *
 * @param momentMs For how long it may take, in milliseconds.
 * @returns The writes that are left then.
 */
export async function takeRest(
  query: Query,
  preparation: Preparation,
  horizon: Horizon,
  momentMs: number,
): Promise<number> {
  const until = performance.now() + momentMs;
  for (let from = horizon, whole = false;;) {
    const done = await drain(query, preparation, from);
    if (done.taken === 0 && whole) return 0;
    // The last look is at all notes, wherever none should be any more.
    whole = done.taken === 0;
    from = whole ? noHorizon(preparation) : done.horizon;
    if (done.taken > 0 && performance.now() > until) return await countLeft(query, preparation, from);
  }
}
