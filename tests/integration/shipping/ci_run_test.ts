/**
 * `.ci/run` over a runner of this test's own, which never ends.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { join, resolve } from "@std/path";

const GATE = resolve(import.meta.dirname!, "../../../.ci/run");

/** In place of `./dev`: two tests pass, the third hangs until Ctrl-C, and then the runner names it, as Deno does; what it started stays. */
const HANGING = `#!/usr/bin/env bash
[[ $1 == test && $# == 1 ]] || { echo 'ok | 5 passed | 0 failed (1s)' && exit; }
trap 'echo "SIGINT The following tests were pending:"; echo "hangs => ./tests/b_test.ts:2:6"; exit 130' INT
echo './tests/a_test.ts => one ... ok (1ms)'
echo './tests/a_test.ts => two ... ok (1ms)'
sleep 600 & wait
`;

Deno.test("the gate ends a step that hangs, names what was at work, and still counts", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await Deno.mkdir(join(folder, ".ci"));
    const gate = await Deno.readTextFile(GATE);
    const [before, after] = gate.split("step 'every test' 40 ");
    assert(before !== undefined && after !== undefined, "the step has another limit");
    await Deno.writeTextFile(join(folder, ".ci/run"), `${before}step 'every test' 0.1 ${after}`);
    await Deno.writeTextFile(join(folder, "dev"), HANGING, { mode: 0o755 });
    const { code, stdout } = await new Deno.Command("bash", {
      args: [".ci/run"],
      cwd: folder,
      stdin: "null",
      stderr: "null",
    }).output();
    const said = new TextDecoder().decode(stdout);
    assertEquals(code, 1, said);
    assertStringIncludes(said, "hangs => ./tests/b_test.ts:2:6");
    assertStringIncludes(
      said,
      "== failed: every test\n== it was not done within 0.1 minutes, and was stopped",
    );
    // Three steps count five each; the one that hung counts what had passed.
    assertEquals(said.trimEnd().split("\n").at(-1), "17 passed, 1 failed");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
