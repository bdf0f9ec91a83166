/**
 * The moment in which prepared tables take their places: what folded steps do, without what takes long.
 *
 * @module
 */

import type { Fold } from "../../sql/rewrite.ts";
import type { Preparation } from "./describe.ts";

/** What surrounds the steps. What was written last is taken in under each of the locks. */
export function switchOf({ versions, fold }: Preparation): Fold {
  return {
    versions,
    tables: fold.tables,
    made: [],
    before: [fold.lock, fold.lateLock, fold.drop],
    after: fold.partitions.flatMap(({ place }) => place),
  };
}
