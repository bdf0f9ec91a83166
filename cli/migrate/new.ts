/**
 * `outpost migrate new`
 *
 * @module
 */

import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { FileError, UsageError } from "../errors.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { newJson } from "../output/json.ts";
import { REDIS_LIST, scaffoldRedisMigration } from "../scaffold/redis_migration.ts";
import { isMigrationName, type Scaffold } from "../scaffold/scaffold.ts";
import { scaffoldSqlStep, SQL_LIST } from "../scaffold/sql_step.ts";
import { readList, writeScaffold } from "../scaffold/files.ts";

interface NewOptions {
  readonly kind: "redis" | "sql";
  readonly name: string;
}

/** A new migration. */
export const newCommand: Command = defineCommand(
  {
    path: "migrate new",
    summary: "Begin a new migration: its file, its entry in the list, its test",
    details: [
      "For those who work on a checkout of this project, in its root. Contacts no store and overwrites nothing.",
      "An application with migrations of its own keeps them where it likes: docs/library.md.",
    ],
    examples: [
      { command: "outpost migrate new redis lower_topics", does: "a change of the records in Redis" },
      { command: "outpost migrate new sql event_source", does: "a Postgres step" },
    ],
    arguments: [
      { name: "<kind>", description: "redis or sql" },
      { name: "<name>", description: "Small letters, digits and underscores" },
    ],
    needs: "none",
  },
  read,
  run,
);

function read(input: CommandInput): NewOptions {
  const [kind, name] = input.args;
  if (kind !== "redis" && kind !== "sql") {
    throw new UsageError(`A new migration is of the kind redis or sql, not "${kind}"`);
  }
  if (name === undefined || !isMigrationName(name)) {
    throw new UsageError(
      `A migration's name has small letters, digits and single underscores, begins with a letter, and 60 of them at most: "${
        name ?? ""
      }" is none`,
    );
  }
  return { kind, name };
}

async function run({ output }: Context, { kind, name }: NewOptions): Promise<number> {
  const [path, scaffold] = kind === "redis"
    ? [REDIS_LIST, scaffoldRedisMigration] as const
    : [SQL_LIST, scaffoldSqlStep] as const;
  const list = await readList(path);
  if (new RegExp(`/\\d+_${name}\\.ts"`).test(list)) {
    throw new UsageError(`There is a migration called ${name} already: "${path}" lists it`, {
      hint: "Choose another name: a migration is found by its name alone, too",
    });
  }
  const made = scaffold(name, list);
  if (made === null) {
    throw new FileError(`Cannot add a migration to "${path}": its entries are not where they are expected`, {
      hint: "Add the file and its entry by hand: CONTRIBUTING.md lists what belongs to a migration",
    });
  }
  await writeScaffold(made);
  output.result(newJson(made), () => toText(made));
  return EXIT.done;
}

function toText({ id, created, changed, next }: Scaffold): string {
  return [
    `Begun ${id}.`,
    "",
    ...created.map(({ path }) => `  new      ${path}`),
    `  changed  ${changed.path}`,
    "",
    ...next.map((step, i) => `${i + 1}. ${step}`),
  ].join("\n");
}
