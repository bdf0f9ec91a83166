/** What a person agreed to is what runs: whoever else was at work between the question and the lock. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { runInProcess } from "../../support/cli.ts";
import { startPostgres } from "../../support/postgres.ts";

const options = { sanitizeOps: false, sanitizeResources: false };

Deno.test(
  "apply ends with 5 and does nothing where somebody else did a part of what was shown",
  options,
  async () => {
    await using server = await startPostgres();
    const env = { POSTGRES_URL: await server.createDatabase() };
    const run = (line: string, answers?: (string | (() => Promise<string>))[]) =>
      runInProcess(["migrate", ...line.split(" "), "--sql-only"], {
        env,
        ...(answers === undefined ? {} : { answers }),
      });
    const version = async () => JSON.parse((await run("status --json")).stdout).sql.version;
    const meanwhile = (line: string) => async () => {
      assertEquals((await run(line)).code, 0);
      return "y";
    };
    const other = await run("apply", [meanwhile("apply sql/1 sql/2 sql/3 --yes")]);
    assertEquals([other.code, await version()], [5, 3], other.stderr);
    assertStringIncludes(other.stderr, "The postgres version was 0 and is 3");
    const folder = await Deno.makeTempDir();
    try {
      const file = `${folder}/plan.json`;
      assertEquals((await run(`plan sql/4 sql/5 --out ${file}`)).code, 0);
      // A saved plan that was begun stays good, but not what was shown of it a moment ago.
      const begun = await run(`apply --plan ${file}`, [meanwhile("apply sql/4 --yes")]);
      assertEquals([begun.code, await version()], [5, 4], begun.stderr);
      const again = await run(`apply --plan ${file}`, ["y"]);
      assertEquals([again.code, await version()], [0, 5], again.stderr);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
    const all = await run("apply", [meanwhile("apply --yes")]);
    assertEquals([all.code, await version()], [5, 10], all.stderr);
  },
);
