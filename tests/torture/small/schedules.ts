/**
 * The schedules of commands that are played, with slots between them in which every tenant does something else.
 *
 * @module
 */

import type { OlderBooks } from "./older_books.ts";

/** Applies everything. */
export const APPLY = ["apply", "--yes"];
const RERUN = ["apply", "redis/1", "--rerun", "--yes"];
const VERIFY = ["verify", "--full"];
/** Twice: what is settled may show another difference, of a list whose records have changed by it. */
const resolving = (keep: string) => ["resolve", "redis/1", "--all", "--keep", keep, "--yes"];

/** All is applied, as far as a person has to settle nothing; then that too. */
const SETTLED = [APPLY, resolving("copy"), resolving("copy"), APPLY, VERIFY];

/** `slot` lets all tenants act, `old slot` by their old application alone: else one would make 001 fail for all; `fail` applies 001 without reaching everything; `adopt` leaves the marks of an older tool alone. */
export type Step = "slot" | "old slot" | "fail" | { readonly adopt: OlderBooks } | readonly string[];

/** What is played, by name. */
export const SCHEDULES: Readonly<Record<string, readonly Step[]>> = {
  straight: ["old slot", APPLY, "slot", "slot", VERIFY],
  "again, copies kept": [
    "old slot",
    APPLY,
    "slot",
    RERUN,
    "slot",
    resolving("copy"),
    resolving("copy"),
    APPLY,
    VERIFY,
  ],
  "again, originals kept": [
    "old slot",
    APPLY,
    "slot",
    RERUN,
    "slot",
    resolving("original"),
    resolving("original"),
    APPLY,
    VERIFY,
  ],
  "cut off, copies kept": [
    "slot",
    "fail",
    "slot",
    resolving("copy"),
    resolving("copy"),
    APPLY,
    "slot",
    VERIFY,
  ],
  "cut off, originals kept": [
    "slot",
    "fail",
    "slot",
    APPLY,
    "slot",
    resolving("original"),
    resolving("original"),
    APPLY,
    VERIFY,
  ],
  adopted: [APPLY, { adopt: "version" }, "slot", "slot", ["init"], "slot", VERIFY],
  "adopted in seconds": [APPLY, { adopt: "seconds" }, "slot", ["init"], "slot", VERIFY],
  "adopted with its begin": [APPLY, { adopt: "began" }, "slot", ["init"], "slot", VERIFY],
  "in an unknown word": ["fail", { adopt: "word" }, "slot", ...SETTLED],
  "called applied over a failure": ["fail", { adopt: "over" }, "slot", ...SETTLED],
  "adopted with a failure": ["fail", { adopt: "phase" }, "slot", ...SETTLED],
  "adopted with failed runs": [["apply", "redis/1", "--yes"], { adopt: "runs" }, "slot", ...SETTLED],
};

/** True where all that happens before the books are adopted did so hours ago. */
export function isLongAgo(steps: readonly Step[]): boolean {
  return isAdoptedAs(steps, "version") || isAdoptedAs(steps, "seconds") || isAdoptedAs(steps, "began");
}

/** True where the books of an older tool are adopted, of this kind. */
export function isAdoptedAs(steps: readonly Step[], books: OlderBooks): boolean {
  return steps.some((step) => typeof step === "object" && "adopt" in step && step.adopt === books);
}

/** True for a step in which tenants act. */
export function isSlot(step: Step): step is "slot" | "old slot" {
  return step === "slot" || step === "old slot";
}
