/**
 * Compares originals with their copies, all or a sample of them.
 *
 * @module
 */

import { type Binary, display } from "../binary.ts";
import type { VerifyContext } from "../context.ts";
import { walkSample } from "../walk/sample_walk.ts";
import type { CopyChange } from "./change.ts";
import { findPairs, hasLookalikes } from "./pairs.ts";
import { faultOf, judged } from "./weigh.ts";

/** Compares originals with their copies. */
export async function checkCopied(change: CopyChange, context: VerifyContext): Promise<void> {
  const lookalikes = await hasLookalikes(change, context);
  await walkSample(change, context, (keys) => checkCopies(change, context, lookalikes, keys));
}

/** Compares the originals of a batch with their copies. */
async function checkCopies(
  change: CopyChange,
  context: VerifyContext,
  lookalikes: boolean,
  keys: readonly Binary[],
): Promise<void> {
  const pairs = await findPairs(change, context.store, lookalikes, keys);
  for await (const portion of judged(change, context, pairs)) {
    for (const { pair: { source, target }, standing } of portion) {
      const fault = faultOf(standing, target);
      if (fault === null) context.report.pass();
      else {
        const undecided = standing === "different" || standing === "unknown";
        context.report[undecided ? "differ" : "fail"](`${display(source)}: ${fault}`);
      }
    }
  }
}
