/**
 * Which tests can notice a fault: those that run its line.
 *
 * @module
 */

import type { Covered } from "./coverage.ts";

/** Tests of what is shipped run the product as a whole, for minutes, and notice what others notice before. */
const LEFT_OUT = /^tests\/integration\/(shipping\/|docs_test|documented_commands_test)/;

/** @returns Whether a file of tests is asked at all. */
export function canNotice(path: string): boolean {
  return /^tests\/.*_test\.ts$/.test(path) && !LEFT_OUT.test(path);
}

/**
 * @returns Files of tests in the order in which they are to be asked: first those with a good chance for the time that they
 * take. One that runs much of the file, and little else, is about it.
 */
export function noticingTests(file: string, line: number, all: readonly Covered[]): readonly Covered[] {
  const cost = ({ seconds, lines }: Covered) => {
    const total = Object.values(lines).reduce((sum, its) => sum + count(its), 0);
    return seconds / (count(lines[file]!) ** 2 / total);
  };
  return all.filter(({ passes, lines }) => passes && ran(lines[file] ?? [], line))
    .map((covered) => ({ covered, cost: cost(covered) }))
    .sort((a, b) => a.cost - b.cost).map(({ covered }) => covered);
}

/** The lines of a text that goes over several count with the first one. */
function ran(lines: readonly number[], line: number): boolean {
  return (lines.findLast((one) => Math.abs(one) <= line) ?? -1) > 0;
}

function count(lines: readonly number[]): number {
  return lines.filter((line) => line > 0).length;
}
