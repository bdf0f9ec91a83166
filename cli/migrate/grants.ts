/**
 * `outpost migrate grants`
 *
 * @module
 */

import { storeTitle } from "../../engine/migration.ts";
import type { Grant } from "../../migrations/grants.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { wrap } from "../output/table.ts";
import { configuredStores } from "../stores/configured.ts";
import { parsePostgresUrl } from "../stores/postgres/url.ts";

interface GrantsCommandOptions {
  readonly schema: string;
  readonly owner: string | undefined;
}

const PURPOSES = {
  read: "To look: list, status, plan, verify",
  apply: "To migrate: apply, cleanup, down, force, init",
  serve: "To run the server behind outpost serve",
};

/** Prints who needs which rights. */
export const grantsCommand: Command = defineCommand(
  {
    path: "migrate grants",
    summary: "The rights in the stores for reading, applying and serving",
    details: [
      "Prints statements for an administrator; PASSWORD stands for the password of each user. Contacts no store: the database is " +
      "that of the Postgres URL, the owner of the tables its user, unless said otherwise. ClickHouse is there where it is configured.",
    ],
    examples: [
      { command: "outpost migrate grants", does: "who needs what" },
      {
        command: "outpost migrate grants --schema log --owner app",
        does: "tables elsewhere, of another owner",
      },
    ],
    flags: [
      { flags: "--schema <NAME>", description: "The schema of the tables", default: "public" },
      { flags: "--owner <ROLE>", description: "The role that owns the tables" },
    ],
  },
  (input: CommandInput): GrantsCommandOptions => ({
    schema: input.text("schema") ?? "public",
    owner: input.text("owner"),
  }),
  run,
);

async function run({ settings, output }: Context, { schema, owner }: GrantsCommandOptions): Promise<number> {
  const { outpostGrants } = await import("../../migrations/grants.ts");
  const url = settings.postgresUrl === null ? null : parsePostgresUrl(settings.postgresUrl);
  const grants = outpostGrants({
    database: url?.database ?? "outpost",
    clickhouse: configuredStores(settings).includes("clickhouse") ? settings.clickhouseDatabase : null,
    schema,
    owner: owner ?? url?.user ?? "outpost",
  }).filter(({ store }) => settings.only === null || (store === "redis") === (settings.only === "redis"));
  output.result(
    {
      grants: grants.map(({ purpose, store, user, statements, note }) => ({
        purpose,
        store,
        user,
        statements,
        note,
      })),
    },
    (layout) => renderGrants(grants, layout),
  );
  return EXIT.done;
}

/** Statements stay whole, whatever the width: they are there to be copied. */
function renderGrants(grants: readonly Grant[], layout: Layout): string {
  const { style, width } = layout;
  const lines: string[] = [];
  for (const [purpose, title] of Object.entries(PURPOSES)) {
    lines.push(style.bold(title), "");
    for (const { store, statements, note } of grants.filter((grant) => grant.purpose === purpose)) {
      lines.push(`  ${style.cyan(storeTitle(store))}  ${style.dim(wrap(note, width - 12, "    "))}`);
      lines.push(...statements.map((statement) => `    ${statement}${store === "redis" ? "" : ";"}`), "");
    }
  }
  return [...lines, nextCommand(layout, "outpost migrate plan", "as the user who looks")].join("\n");
}
