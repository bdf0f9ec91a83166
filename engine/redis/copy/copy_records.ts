/**
 * Copies records to their new names, on one server or across the nodes of a cluster.
 *
 * @module
 */

import type { WriteContext } from "../context.ts";
import { walk } from "../walk/walk.ts";
import { copyAcrossNodes, followUp } from "./across_nodes.ts";
import type { CopyChange } from "./change.ts";
import { copyOnServer } from "./on_server.ts";

/** Copies what is not there yet; deletes nothing. @param lookalikes There are such: some keys can be told apart only by others. */
export async function copyRecords(
  change: CopyChange,
  context: WriteContext,
  lookalikes: boolean,
): Promise<void> {
  const copy = context.store.clustered ? copyAcrossNodes : copyOnServer;
  await walk(context.store, {
    ...context,
    pattern: change.pattern,
    visit: (keys, size) =>
      copy(change, context, lookalikes, keys.filter((key) => !context.isHeld(key)), size),
  });
  if (context.store.clustered && context.unfinished) await followUp(change, context, lookalikes);
}
