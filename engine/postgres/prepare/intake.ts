/**
 * How what an application writes is taken in, as long as it writes: in rounds, and then all of it while it is kept away.
 *
 * @module
 */

import type { Query } from "../query.ts";
import type { Preparation } from "./describe.ts";
import { BATCH, BY_INDEX, countLeft, drain, highest, type Horizon, noHorizon, takeIn } from "./drain.ts";
import { Dwindling } from "./dwindling.ts";

/** Notes that are few enough to be taken in while writers wait. */
const FEW = 50;

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
  await query(BY_INDEX);
  for (let { passed } = horizon, whole = false;;) {
    const notes = await takeIn(query, preparation, passed);
    const most = Math.max(...notes.map(({ length }) => length));
    if (most === 0 && whole) return 0;
    // Under the lock no more are to come. The last look is at all, wherever none should be any more.
    whole ||= most < BATCH;
    passed = whole
      ? noHorizon(preparation).passed
      : notes.map((rows, index) => highest(rows) ?? passed[index]!);
    if (most > 0 && performance.now() > until) return await countLeft(query, preparation, { passed });
  }
}
