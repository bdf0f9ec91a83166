/**
 * Doing what an output says.
 *
 * @module
 */

import type { CliResult } from "../../support/cli.ts";
import type { World } from "./world.ts";

/** The command that a text begins with. */
export function commandIn(text: string): string {
  return /outpost [^\n]*/.exec(text)?.[0] ?? text;
}

/** Makes sure that a run on the way succeeded. */
export function ends({ code, stdout, stderr }: CliResult): void {
  if (code !== 0) throw new Error(`On the way: ${stdout}${stderr}`);
}

/** Follows last lines from a command until one that only looks finds all well. None may lead to where it was already. */
export async function followAll(world: World, first: string): Promise<CliResult> {
  const seen = new Set<string>();
  for (let line = first;;) {
    const result = await world.agreed(line);
    if (result.code === 0 && /verify|status/.test(line)) return result;
    const following = /Next: (outpost .+?)(?: {2}|\n|$)/.exec(result.stdout)?.[1];
    if (following === undefined) throw new Error(`"${line}" leads nowhere: ${result.stdout}${result.stderr}`);
    const step = `${line} > ${following}`;
    if (seen.has(step)) throw new Error(`"${line}" goes round in circles: ${[...seen].join("; ")}`);
    seen.add(step);
    line = following;
  }
}
