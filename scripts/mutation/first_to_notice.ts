/**
 * Asks tests, one file after another, whether they notice a fault.
 *
 * @module
 */

import type { Covered } from "./coverage.ts";
import { runDeno } from "./run_deno.ts";

/** What came of a fault. */
export interface Noticed {
  readonly killedBy: string | null;
  /** Those that did not notice it. */
  readonly asked: readonly Covered[];
}

/**
 * @param tests In the order in which they are asked; those without servers come first, all at once.
 * @param patience In seconds that the tests take without a fault: when it ends, no more are asked.
 * @returns The first test that noticed.
 */
export async function firstToNotice(
  copy: string,
  file: string,
  tests: readonly Covered[],
  patience: number,
): Promise<Noticed> {
  const unit = tests.filter(({ test }) => test.startsWith("tests/unit/"));
  const asked: Covered[] = [];
  if (unit.length > 0) {
    const { code, text } = await runTests(copy, unit);
    const first = /(?:^|\.\/)(tests\/[\w/.-]+_test\.ts):\d/m.exec(text)?.[1] ?? unit[0]!.test;
    if (code !== 0) return { killedBy: first, asked };
    asked.push(...unit);
  }
  let spent = 0;
  for (const one of tests.filter((one) => !unit.includes(one))) {
    if (spent > patience) break;
    spent += one.seconds;
    const { code } = await runTests(copy, [one]);
    if (code === null) return { killedBy: `${one.test}, which never ends`, asked };
    // A busy machine makes a test fail once; a fault does it again.
    if (code !== 0 && (await runTests(copy, [one])).code !== 0) return { killedBy: one.test, asked };
    asked.push(one);
  }
  // Last, as it takes a while: most that the types refuse, a test has noticed before.
  const { code } = await runDeno(copy, ["check", "--quiet", file], 300_000);
  return { killedBy: code === 0 ? null : "the types", asked };
}

/** Far longer than they take: what makes a test hang is a fault too. */
function runTests(copy: string, tests: readonly Covered[]): Promise<{ code: number | null; text: string }> {
  const seconds = 60 + 5 * tests.reduce((sum, one) => sum + one.seconds, 0);
  const names = tests.map(({ test }) => test);
  return runDeno(copy, ["test", "-A", "--no-check", "--fail-fast", ...names], 1000 * seconds);
}
