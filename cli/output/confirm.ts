/**
 * Questions before something is changed. They default to no and are only asked where somebody can answer.
 *
 * @module
 */

import { harmless } from "../../engine/foreign_text.ts";
import { InterruptedError } from "../../engine/errors.ts";
import { hint } from "../../engine/hint.ts";
import { NeedsConfirmationError } from "../errors.ts";
import type { Host } from "../host.ts";
import type { Output } from "./output.ts";
import type { Style } from "./style.ts";
import { wrap } from "./table.ts";

/** What is asked. */
export interface Question {
  /** What will happen, as a question: `Apply 3 migrations to deployment "dp_001"?` */
  readonly text: string;
  /** The command that goes without the question: `apply --yes`. */
  readonly instead: string;
}

/**
 * Asks on the terminal.
 *
 * @returns True for `y` or `yes`, false for anything else.
 * @throws {NeedsConfirmationError} When there is no terminal, or the output is JSON.
 * @throws {InterruptedError} When the user presses Ctrl-C instead.
 */
export async function confirm(
  { host, output, style }: { readonly host: Host; readonly output: Output; readonly style: Style },
  { text, instead }: Question,
): Promise<boolean> {
  assertCanAsk({ host, json: output.json }, { text, instead });
  const shown = wrap(`${harmless(text)} [y/N]`, host.columns() ?? Infinity);
  host.stderr.write(`\n${style.bold(shown.slice(0, -5))}${style.dim(shown.slice(-5))} `);
  const { promise: stopped, resolve } = Promise.withResolvers<"stopped">();
  const stop = () => resolve("stopped");
  host.signal.addEventListener("abort", stop, { once: true });
  const answer = host.signal.aborted ? "stopped" : await Promise.race([host.readLine(), stopped]);
  host.signal.removeEventListener("abort", stop);
  if (host.signal.aborted) {
    host.stderr.write("\n");
    throw new InterruptedError("Stopped at the question; nothing was changed");
  }
  if (answer === null) host.stderr.write("\n");
  return /^y(es)?$/i.test((answer ?? "").trim());
}

/** @throws {NeedsConfirmationError} When a question could not be asked, so that nothing is begun that would need one. */
export function assertCanAsk(
  { host, json }: { readonly host: Host; readonly json: boolean },
  { text, instead }: Question,
): void {
  const advice = hint`Confirm on the command line: ${instead}`;
  if (json) {
    throw new NeedsConfirmationError(`Cannot ask "${text}" with --json`, { hint: advice });
  }
  if (!host.stdinTerminal || !host.stderr.terminal) {
    throw new NeedsConfirmationError(`Cannot ask "${text}" without a terminal`, { hint: advice });
  }
}
