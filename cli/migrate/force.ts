/**
 * `outpost migrate force`
 *
 * @module
 */

import type { SqlStoreName } from "../../engine/migration.ts";
import type { SqlStatus } from "../../engine/status.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import type { Context } from "../context.ts";
import { DeclinedError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { forceJson } from "../output/json.ts";
import { lockOptions } from "./lock_options.ts";
import { nextCommand } from "../output/output.ts";
import { chooseSqlStore, readStore, STORE_FLAG } from "../stores/choose.ts";
import { LOCK_SETTINGS } from "../line/shared_options.ts";
import { readStepVersion } from "./step_version.ts";

interface ForceCommandOptions {
  readonly version: number;
  readonly yes: boolean;
  readonly store: SqlStoreName | undefined;
}

/** Sets the SQL version by hand. */
export const forceCommand: Command = defineCommand(
  {
    path: "migrate force",
    summary: "Set the SQL version by hand after a repair, and clear dirty",
    details: [
      "Runs no step and changes no table: it only writes down which version the database has. Needed when another tool left the " +
      "bookkeeping dirty; no run of this program can.",
      "A version that this program does not know is replaced only where a person was shown it; --yes refuses then. And when the " +
      "database has moved since it was shown, nothing is done and the exit status is 5.",
    ],
    examples: [
      { command: "outpost migrate force 6", does: "after the repair of a half-done step 7" },
      { command: "outpost migrate force 000006 --yes", does: "without a question" },
    ],
    arguments: [{ name: "<version>", description: "The version that the schema really has; 0 for none" }],
    flags: [{ flags: "-y, --yes", description: "Do not ask" }, STORE_FLAG],
    settings: LOCK_SETTINGS,
  },
  read,
  run,
);

function read(input: CommandInput): ForceCommandOptions {
  const { version, store: named } = readStepVersion("VERSION", input.args[0] ?? "");
  const store = readStore(input.text("store")) ?? named;
  return { version, yes: input.has("yes"), store };
}

async function run(context: Context, { version, yes, store: named }: ForceCommandOptions): Promise<number> {
  const question: Question = {
    text: `Record that the database is at version ${version}, whatever its tables look like?`,
    instead: `force ${version}${named === undefined ? "" : ` --store ${named}`} --yes`,
  };
  await using open = await context.openEngine({ sides: "sql" });
  const store = chooseSqlStore(context.settings, named);
  if (!yes) assertCanAsk({ host: context.host, json: context.output.json }, question);
  let shown: number | undefined;
  if (!yes) {
    const { [store]: sql } = await context.reading(open.engine.status());
    if (sql !== null) {
      context.output.text(standingText(sql, version));
      shown = sql.version;
    }
    if (!await context.confirm(question)) throw new DeclinedError("Nothing was changed: the answer was no");
  }
  await open.engine.force(version, {
    ...lockOptions(context),
    store,
    ...(shown === undefined ? {} : { from: shown }),
  });
  context.output.result(forceJson(version), (layout) =>
    [
      layout.style.green(`The database is recorded at version ${version}, not dirty.`),
      nextCommand(layout, "outpost migrate verify", "does the schema agree?"),
    ].join("\n"));
  return EXIT.done;
}

function standingText({ version, latest, dirty, ahead }: SqlStatus, to: number): string {
  const again = ahead ? `: the release that knows it would run ${to + 1} to ${version} again` : "";
  return `The database is at version ${version} of ${latest}${dirty ? ", dirty" : ""}${again}.`;
}
