/**
 * Compares originals with their copies.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { ReadContext } from "../context.ts";
import type { Rows } from "../bulk_reads.ts";
import type { Chain } from "../transform/chain.ts";
import type { BatchSize } from "../walk/pacing.ts";
import type { Tally } from "../walk/tally.ts";
import type { CopyChange } from "./change.ts";
import type { Content } from "./content.ts";
import { type Order, partSame, readOrders } from "./orders.ts";
import { faultOf, isUndecided, judged } from "./weigh.ts";

/** What copies are checked by. */
export interface CopyCheck {
  readonly change: CopyChange;
  readonly context: ReadContext;
  /** The fields that decide, and the changes in place that copies have gone through. */
  readonly chain: Chain;
  readonly tally: Tally;
}

/** Compares the originals of a batch, of which the fields of the chain were read, with their copies. */
export async function checkCopies(
  { change, context, chain, tally }: CopyCheck,
  lookalikes: boolean,
  keys: readonly Binary[],
  read: Rows,
  size: BatchSize,
): Promise<void> {
  const { store } = context;
  const judging = { ...context, lookalikes };
  const orders = await readOrders(change, { store, lookalikes }, chain, () => true, keys, read);
  const { same, others } = await partSame(store, chain, orders, read, size);
  for (const { source } of same) tally.pass(source);
  const originals = new Map<Binary, Content>();
  for (const [key, hash] of read.whole) originals.set(key, { type: "hash", members: "", ...hash });
  const isRead = ({ source }: Order) => originals.has(source);
  const unsure = others.filter((order) => !isRead(order));
  for await (const portion of judged(change, judging, others.filter(isRead), undefined, originals)) {
    for (const { pair, verdict } of portion) {
      if (faultOf(verdict, pair.target) === null) tally.pass(pair.source);
      else unsure.push(pair); // It may have changed since it was read.
    }
  }
  for await (const portion of judged(change, judging, unsure)) {
    for (const { pair: { source, target }, verdict } of portion) {
      const fault = faultOf(verdict, target);
      if (fault === null) tally.pass(source);
      else tally[isUndecided(verdict) ? "differ" : "fail"](source, fault);
    }
  }
}
