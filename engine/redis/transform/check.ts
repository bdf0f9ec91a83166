/**
 * Looks for records that changes in place would still change.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Rows } from "../bulk_reads.ts";
import type { RedisStore } from "../store.ts";
import type { Tally } from "../walk/tally.ts";
import { isInconvertible, type TransformChange, whyNot } from "./change.ts";
import { kindsOf, mayBeAny } from "./kinds.ts";

/** What is checked. */
export interface ConvertedCheck {
  readonly change: TransformChange;
  readonly tally: Tally;
  /** How many records were accepted that cannot be converted. Which ones is not recorded: what is more than these came later. */
  readonly accepted: number;
}

/** Looks at a batch, of which all fields were read, for several changes: each by itself, for each is said to be done. */
export async function checkConverted(
  checks: readonly ConvertedCheck[],
  store: RedisStore,
  lookalikes: boolean,
  batch: readonly Binary[],
  read: Rows,
): Promise<void> {
  const keys = batch.filter((key) => checks.some(({ change }) => mayBeAny(change, key)));
  for (const { change, tally, accepted } of checks) {
    const own = read.of(keys, change.fields);
    const kinds = await kindsOf(change, store, lookalikes, keys, own);
    kinds.forEach((kind, at) => {
      if (kind === null) return;
      const key = keys[at]!;
      const changes = change.change(kind, own[at]!);
      if (changes === null) tally.pass(key);
      else if (isInconvertible(changes)) {
        const isAccepted = tally.invalid < accepted || tally.hasAccepted(key);
        tally[isAccepted ? "accept" : "fail"](key, whyNot(change, own[at]!, changes));
      } else tally.fail(key, "it is not converted");
    });
  }
}
