/**
 * Compares originals with their copies.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import type { ReadContext, VerifyReport } from "../context.ts";
import type { CopyChange } from "./change.ts";
import { findPairs } from "./pairs.ts";
import { faultOf, judged } from "./weigh.ts";

/** Compares the originals of a batch with their copies. */
export async function checkCopies(
  change: CopyChange,
  context: ReadContext,
  report: VerifyReport,
  lookalikes: boolean,
  keys: readonly Binary[],
): Promise<void> {
  const pairs = await findPairs(change, context.store, lookalikes, keys);
  for await (const portion of judged(change, context, pairs)) {
    for (const { pair: { source, target }, standing } of portion) {
      const fault = faultOf(standing, target);
      if (fault === null) report.pass();
      else {
        const undecided = standing === "different" || standing === "unknown";
        report[undecided ? "differ" : "fail"](`${display(source)}: ${fault}`);
      }
    }
  }
}
