/**
 * How what the engine advises is written for those who type commands: it does not know what the program is called.
 *
 * @module
 */

import type { Blocker } from "../../engine/blocker.ts";
import { textOf } from "../../engine/hint.ts";

/** Writes a command as it is typed. @param carried Flags that it needs too, each with a space before it. */
export const asTyped = (carried = "") => (command: string) => `outpost migrate ${command}${carried}`;

/** How to get out of the way what stands there. */
export function wayOut({ hint, parts }: Blocker, carried?: string): string {
  return textOf(parts ?? hint, asTyped(carried));
}
