/**
 * Asks tests, one file after another, whether they notice a fault.
 *
 * @module
 */

import type { NoticingTests } from "./noticing_tests.ts";
import { runDeno } from "./run_deno.ts";

/** Far longer than a file of tests takes on a busy machine: what makes one hang is a fault too. */
const LONGEST_MS = 300_000;
/** Words of a failure that a busy machine can bring about: such a test has to fail twice. */
const FOR_WANT_OF_TIME = /ECONN|timed? ?out|timeout|too long|in time|leaks|seconds|did not|never/i;

/** What came of a fault. */
export interface Noticed {
  /** The first that noticed. */
  readonly killedBy: string | null;
  /** Those before it, which did not. */
  readonly asked: readonly string[];
}

/**
 * @param before Those that were asked another time, and did not notice it.
 * @param far Whether the tests that are about other files are asked as well.
 */
export async function firstToNotice(
  copy: string,
  file: string,
  tests: NoticingTests,
  { before, far }: { readonly before: readonly string[]; readonly far: boolean },
): Promise<Noticed> {
  const asked: string[] = [];
  const unit = tests.unit.filter((test) => !before.includes(test));
  if (unit.length > 0) {
    const { code, text } = await run(copy, unit);
    if (code !== 0) {
      return { killedBy: /(?:^|\.\/)(tests\/[\w/.-]+_test\.ts):\d/m.exec(text)?.[1] ?? unit[0]!, asked };
    }
    asked.push(...unit);
  }
  const others = [...tests.near, ...(far ? tests.far : [])].filter((test) => !before.includes(test));
  for (const test of others) {
    const { code, text } = await run(copy, [test]);
    if (code === null) return { killedBy: `${test}, which never ends`, asked };
    const failures = text.slice(Math.max(0, text.indexOf(" ERRORS ")));
    if (code !== 0 && (!FOR_WANT_OF_TIME.test(failures) || (await run(copy, [test])).code !== 0)) {
      return { killedBy: test, asked };
    }
    asked.push(test);
  }
  // Last, as it takes a while: most that the types refuse, a test has noticed before.
  const { code } = await runDeno(copy, ["check", "--quiet", file], LONGEST_MS);
  return { killedBy: code === 0 ? null : "the types", asked };
}

function run(copy: string, tests: readonly string[]): Promise<{ code: number | null; text: string }> {
  return runDeno(copy, ["test", "-A", "--no-check", "--fail-fast", ...tests], LONGEST_MS);
}
