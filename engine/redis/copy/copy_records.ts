/**
 * Copies records to their new names, on one server or across the nodes of a cluster.
 *
 * @module
 */

import type { Binary } from "../binary.ts";
import type { Conversion, CopyContext } from "../context.ts";
import { chainOf } from "../transform/chain.ts";
import type { Visit } from "../transform/convert_records.ts";
import { walk } from "../walk/walk.ts";
import { copyAcrossNodes, followUp } from "./across_nodes.ts";
import type { CopyChange } from "./change.ts";
import { prune } from "./dead_lists.ts";
import { copyOnServer } from "./on_server.ts";

/** What is read of an original: what decides about it, and what changes in place make something of. */
export function fieldsFor(change: CopyChange, converted: readonly Conversion[]): readonly Binary[] {
  return chainOf(converted.map((one) => one.change), change.fields).fields;
}

/** @returns Copies what is not there yet of a batch; deletes nothing. @param lookalikes See {@linkcode copyRecords}. */
export function copier(change: CopyChange, context: CopyContext, lookalikes: boolean): Visit {
  const copy = context.store.clustered ? copyAcrossNodes : copyOnServer;
  return async (keys, size, read) => {
    await copy(change, context, lookalikes, keys.filter((key) => !context.isHeld(key)), size, read);
    // A run that died may have brought back what it did not come to look at again, and the original may be gone since. Among
    // lookalikes such a list may be an original itself.
    if (context.unfinished && !lookalikes) {
      await prune(change, context, keys.flatMap((key) => change.lists?.ofCopy(key) ?? []));
    }
  };
}

/**
 * Copies every record.
 *
 * @param lookalikes There are such: some keys can be told apart only by others.
 * @param isDone True for keys that were looked at before anything was copied: they may be copies by now.
 * @param pattern Of the keys to look at.
 */
export async function copyRecords(
  change: CopyChange,
  context: CopyContext,
  lookalikes: boolean,
  isDone?: (key: Binary) => boolean,
  pattern: Binary = change.pattern,
): Promise<void> {
  const visit = copier(change, context, lookalikes);
  let { unfinished } = context;
  await walk(context.store, {
    ...context,
    pattern,
    isDone,
    visit: (keys, size) =>
      visit(keys, size).catch((error: unknown) => {
        unfinished = true; // The walk may be repeated, and not come upon what is gone by then.
        throw error;
      }),
  });
  if (context.store.clustered && unfinished) await followUp(change, context, lookalikes);
}
