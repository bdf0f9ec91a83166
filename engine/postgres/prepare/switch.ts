/**
 * The moment in which prepared tables take their places: what folded steps do, without what takes long.
 *
 * @module
 */

import type { Fold } from "../../sql/rewrite.ts";
import type { SqlStatement } from "../../sql/statement.ts";
import type { Preparation } from "./describe.ts";

/** What surrounds the steps, at the switch. */
export interface Switch extends Fold {
  /** Keeps writers away. What was written last is taken in under it. */
  readonly lock: SqlStatement;
  /** Keeps readers away as well. */
  readonly strongLock: SqlStatement;
  /** Takes the old partitions away. */
  readonly takeAway: readonly SqlStatement[];
}

/** The switch to what is prepared. */
export function switchOf({ versions, fold }: Preparation): Switch {
  const { tables, partitions } = fold;
  const [weak, strong] = [fold.lock.locks!, fold.lateLock.locks!];
  // Nobody is kept waiting while a long reader has the tables: the second lock would not be had.
  const lock = { ...fold.lock, locks: { ...weak, ahead: strong.mode } };
  const strongLock = { ...fold.lateLock, retriesAlone: false };
  const takeAway = [...fold.privileges, fold.drop];
  return {
    versions,
    tables,
    made: [],
    lock,
    strongLock,
    takeAway,
    before: [lock, strongLock, ...takeAway],
    after: partitions.flatMap(({ place }) => place),
  };
}
