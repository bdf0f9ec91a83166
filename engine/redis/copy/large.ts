/**
 * Changes records that are too large for a script to look at as a whole: both forms are watched, read in pieces and judged, and what
 * was decided is done in a transaction that the server refuses if either was touched since the watch began. TTLs count.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { type Binary, toArgument } from "../binary.ts";
import { databaseOf } from "../client.ts";
import type { WriteContext } from "../context.ts";
import { toStoreError } from "../errors.ts";
import { UNLINK } from "../scripts/deleting.ts";
import type { Script } from "../scripts/script.ts";
import type { BothKeys, CopyChange } from "./change.ts";
import type { Pair } from "./pairs.ts";
import { judged } from "./weigh.ts";

/** What is to be done to a pair: a script that answers `1`, its keys and its arguments. */
export interface Deed {
  readonly script: Script;
  readonly keys: readonly Binary[];
  readonly args: readonly Binary[];
}

/**
 * Deletes an original that is proven.
 *
 * @returns False when one of the two changed meanwhile, or is not proven any more. On one server alone.
 */
export async function unlinkLarge(change: CopyChange, context: WriteContext, pair: Pair): Promise<boolean> {
  return await doWatched(context, pair, async () => {
    let proven = false;
    for await (const portion of judged(change, context, [pair])) {
      proven = portion.some(({ verdict }) => verdict === "same" || verdict === "newer");
    }
    return proven ? { script: UNLINK, keys: [pair.source], args: [] } : null;
  });
}

/**
 * Does something to a pair while nobody touches it.
 *
 * @param decide Looks at both, and says what is to be done; null for nothing.
 * @returns False when one of the two changed meanwhile, or nothing was to be done. On one server alone.
 */
export async function doWatched(
  { store, fence }: Pick<WriteContext, "store" | "fence">,
  pair: BothKeys,
  decide: () => Promise<Deed | null>,
): Promise<boolean> {
  // A connection of its own that never comes back: a watch that is lost must not end in a write.
  const client = store.client as Redis;
  const connection = client.duplicate({
    db: databaseOf(client),
    lazyConnect: true,
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  });
  connection.on("error", () => {}); // Each command reports its own failure.
  try {
    await connection.connect();
    await connection.callBuffer("WATCH", [toArgument(pair.source), toArgument(pair.target)]);
    const deed = await decide();
    if (deed === null) return false;
    const [fenceKey] = await fence?.keys() ?? [];
    const keys = [...fenceKey === undefined ? [] : [fenceKey], ...deed.keys];
    const args = [fence?.token ?? "", "0", ...deed.args.map(toArgument)];
    await connection.callBuffer("MULTI", []);
    await connection.callBuffer("EVAL", [
      ...[deed.script.source, ...store.scriptArguments(keys, args)],
    ]);
    const replies = await connection.callBuffer("EXEC", []) as unknown[] | null;
    return replies !== null && String(replies[0]) === "1";
  } catch (error) {
    throw toStoreError(error, "Cannot change a large record");
  } finally {
    connection.disconnect();
  }
}
