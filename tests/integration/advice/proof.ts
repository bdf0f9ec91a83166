/**
 * What it takes to show that a piece of advice is good: somebody who meets it does what it says, and it ends well.
 *
 * @module
 */

import type { CliResult } from "../../support/cli.ts";
import { told, type World } from "./world.ts";

/** One piece of advice, tried. */
export interface Proof {
  /** As the source has it, with `{}` for what is filled in. */
  readonly advice: string;
  /** Who meets it. */
  readonly when: string;
  readonly run: (world: World) => Promise<CliResult>;
}

/**
 * Makes a proof.
 *
 * @param work Brings the trouble about, hands the output to `see`, which gives what stands in the advice's gaps, and does what
 * it says. The last run must end with 0.
 */
export function proof(
  advice: string,
  when: string,
  work: (world: World, see: (result: CliResult) => readonly string[]) => Promise<CliResult>,
): Proof {
  return {
    advice,
    when,
    async run(world) {
      let seen = false;
      const result = await work(world, (output) => {
        seen = true;
        return told(advice, output);
      });
      if (!seen) throw new Error("Nobody looked whether the advice was given");
      return result;
    },
  };
}

/** A command line that is refused, and what it should have been. */
export function mended(advice: string, when: string, wrong: string, right: string): Proof {
  return proof(advice, when, async (world, see) => {
    see(await world.outpost(wrong));
    return await world.outpost(right);
  });
}
