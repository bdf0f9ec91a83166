/**
 * Bookkeeping that cannot even be read: what stands under its name may run whatever its maker put there.
 *
 * @module
 */

import type { Blocker } from "./blocker.ts";
import { RefusedError } from "./errors.ts";
import { joinHints } from "./hint.ts";

/** A store refuses to be read. A plan of what is left can name it among what stands in the way. */
export class UntrustedError extends RefusedError {
  /** The same, as what stands in the way; never empty. */
  readonly blockers: readonly Blocker[];

  constructor(message: string, blockers: readonly Blocker[]) {
    super(message, { hint: joinHints(blockers.map(({ hint }) => hint)) });
    this.blockers = blockers;
  }
}
