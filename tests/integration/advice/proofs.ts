/**
 * Every piece of advice that is followed by a test.
 *
 * @module
 */

import { COMMAND_LINE } from "./command_line.ts";
import { DEPLOYMENTS_ADVICE } from "./deployments.ts";
import { NEXT_LINES } from "./next_lines.ts";
import { POSTGRES_ADVICE } from "./postgres.ts";
import type { Proof } from "./proof.ts";
import { REDIS_ADVICE } from "./redis.ts";
import { SETTINGS_ADVICE } from "./settings.ts";
import { STATE_ADVICE } from "./state.ts";

/** Run by `advice_test.ts`. */
export const PROOFS: readonly Proof[] = [
  ...COMMAND_LINE,
  ...SETTINGS_ADVICE,
  ...NEXT_LINES,
  ...STATE_ADVICE,
  ...POSTGRES_ADVICE,
  ...REDIS_ADVICE,
  ...DEPLOYMENTS_ADVICE,
];
