/**
 * Deletes originals that are too large for a script to look at as a whole: both records are watched, read in pieces and judged,
 * and the original is deleted in a transaction that the server refuses if either was touched since the watch began. TTLs count.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { fromBytes, toArgument } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import { toStoreError } from "../errors.ts";
import { UNLINK } from "../scripts/copying.ts";
import type { CopyChange } from "./change.ts";
import type { Pair } from "./pairs.ts";
import { judged } from "./weigh.ts";

/** @returns False when one of the two changed meanwhile, or is not proven any more. On one server alone. */
export async function unlinkLarge(change: CopyChange, context: WriteContext, pair: Pair): Promise<boolean> {
  const { store, fence } = context;
  // A connection of its own that never comes back: a watch that is lost must not end in a deletion.
  const connection = (store.client as Redis).duplicate({
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  connection.on("error", () => {}); // Each command reports its own failure.
  try {
    await connection.connect();
    await connection.callBuffer("WATCH", [toArgument(pair.source), toArgument(pair.target)]);
    let proven = false;
    for await (const portion of judged(change, context, [pair])) {
      proven = portion.some(({ standing }) => standing === "same" || standing === "newer");
    }
    if (!proven) return false;
    const [fenceKey] = await fence?.keys() ?? [];
    const keys = [...fenceKey === undefined ? [] : [fromBytes(fenceKey)], pair.source].map(toArgument);
    await connection.callBuffer("MULTI", []);
    await connection.callBuffer("EVAL", [
      UNLINK.source,
      String(keys.length),
      ...keys,
      fence?.token ?? "",
      "0",
    ]);
    const replies = await connection.callBuffer("EXEC", []) as unknown[] | null;
    return replies !== null && String(replies[0]) === "1";
  } catch (error) {
    throw toStoreError(error, "Cannot delete a large record");
  } finally {
    connection.disconnect();
  }
}
