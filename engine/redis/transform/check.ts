/**
 * Looks for records that changes in place would still change.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import type { Rows } from "../bulk_reads.ts";
import type { VerifyReport } from "../context.ts";
import type { RedisStore } from "../store.ts";
import { isInconvertible, type TransformChange, whyNot } from "./change.ts";
import { kindsOf, mayBeAny } from "./kinds.ts";

/** Looks at a batch, of which all fields were read, for several changes: each by itself, for each is said to be done. */
export async function checkConverted(
  checks: readonly { readonly change: TransformChange; readonly report: VerifyReport }[],
  store: RedisStore,
  others: boolean,
  batch: readonly Binary[],
  read: Rows,
): Promise<void> {
  const keys = batch.filter((key) => checks.some(({ change }) => mayBeAny(change, key)));
  for (const { change, report } of checks) {
    const own = read.of(keys, change.fields);
    const kinds = await kindsOf(change, store, others, keys, own);
    kinds.forEach((kind, at) => {
      if (kind === null) return;
      const changes = change.change(kind, own[at]!);
      if (changes === null) report.pass();
      else if (isInconvertible(changes)) {
        report.invalid(`${display(keys[at]!)}: ${whyNot(change, own[at]!, changes)}`);
      } else report.fail(`${display(keys[at]!)}: it is not converted`);
    });
  }
}
