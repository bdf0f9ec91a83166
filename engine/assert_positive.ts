/**
 * Options that are numbers, checked before anything is done with them.
 *
 * @module
 */

import { RefusedError } from "./errors.ts";

/**
 * Checks options by their names. What is left out holds by default.
 *
 * @throws {RefusedError} When one is no number above zero: a sample of none would prove everything, and a rate of none never end.
 */
export function assertPositive(options: Readonly<Record<string, number | undefined>>): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || (Number.isFinite(value) && value > 0)) continue;
    throw new RefusedError(`Cannot use the option "${name}": ${value} is no number above zero`);
  }
}
