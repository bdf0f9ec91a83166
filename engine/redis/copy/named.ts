/**
 * Finds the originals that a person names, as they are shown: bytes that are no text by their numbers, and long keys cut off.
 *
 * @module
 */

import { RefusedError } from "../../errors.ts";
import { hint } from "../../hint.ts";
import { type Binary, display, encodeText } from "../binary.ts";
import type { ReadContext } from "../context.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import { findPairs } from "./pairs.ts";

/** What is shown so may stand for several keys: only a look at all of them tells which there are. */
const DOUBTFUL = /\\[xu]|…$/;

/**
 * Finds keys.
 *
 * @param names As they are shown, or whole.
 * @returns One for each name, of which some may be no key that there is.
 * @throws {RefusedError} When several originals are shown so.
 */
export async function findNamed(
  id: string,
  change: CopyChange,
  context: ReadContext,
  lookalikes: boolean,
  names: readonly string[],
): Promise<Binary[]> {
  const shown = new Map(names.filter((name) => DOUBTFUL.test(name)).map((name) => [name, new Set<Binary>()]));
  const keys = names.filter((name) => !shown.has(name)).map(encodeText);
  if (shown.size === 0) return keys;
  const visit = async (all: readonly Binary[]) => {
    const meant = all.filter((key) => shown.has(display(key)));
    for (const { source } of await findPairs(change, context.store, lookalikes, meant)) {
      shown.get(display(source))!.add(source);
    }
  };
  await walk(context.store, { ...context, pattern: change.pattern, visit });
  for (const [name, found] of shown) {
    if (found.size > 1) {
      throw new RefusedError(
        `Cannot tell which record is meant: ${found.size} originals are shown so: ${name}`,
        {
          hint: {
            ...hint`Settle them with all others that differ: ${`resolve ${id} --all --keep copy`} or original shows both and asks`,
            forCallers:
              "Settle them with all others that differ: resolveDifferences() takes what planResolve() finds without keys",
          },
        },
      );
    }
    // One that is named whole is shown otherwise.
    keys.push(...found.size === 0 ? [encodeText(name)] : found);
  }
  return keys;
}
