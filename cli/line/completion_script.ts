/**
 * What shells complete: the commands, options and IDs of this program, told to `@bomb.sh/tab`.
 *
 * @module
 */

import { type Command as TabCommand, RootCommand, script } from "@bomb.sh/tab";
import { migrationId, SQL_STORES } from "../../engine/migration.ts";
import type { Command } from "../command.ts";
import { bashScript, OTHER_COMMAND } from "./bash_script.ts";
import { SETTINGS } from "../settings/table.ts";
import type { SettingDefinition } from "../settings/setting.ts";
import { SHARED_FLAGS, usefulFlags, usefulSettings } from "./shared_options.ts";

/** The script for a shell. @param words What starts this program. */
export async function completionScript(shell: string, words: readonly string[]): Promise<string> {
  const start = words.map(quoted).join(" ");
  if (shell === "bash") return bashScript(start);
  return await capture(() => script(shell, "outpost", start)) + OTHER_COMMAND[shell];
}

/** A word as bash, zsh and fish all read it: a folder may have a space in its name. */
function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** What may come after the words typed so far, one a line, in the form that the scripts read. */
export async function suggestions(words: readonly string[], commands: readonly Command[]): Promise<string> {
  if (wantsFile(words, commands)) return FILES;
  const root = new RootCommand();
  const ids = await migrationIds();
  root.command("migrate", "Preview, apply, verify and clean up migrations");
  for (const command of commands.filter(({ hidden }) => hidden !== true)) {
    describe(root.command(command.path, command.summary), command, ids);
  }
  root.option("version", "Show the version", "V");
  root.option("help", "Show the help", "h");
  return await capture(() => root.parse([...words]));
}

/** How a shell is told to offer files, or what it has for another command's arguments. */
const FILES = ":0\n";

/** True after an option that takes a file, and after `--`, where another command begins. */
function wantsFile(words: readonly string[], commands: readonly Command[]): boolean {
  const before = words.slice(0, -1);
  if (before.includes("--")) return true;
  const takers = [...SHARED_FLAGS, ...commands.flatMap(({ flags }) => flags ?? [])]
    .filter(({ flags }) => flags.endsWith(" <FILE>")).flatMap(({ flags }) => flags.split(/,? /).slice(0, -1));
  const settings = Object.values(SETTINGS).filter(({ type }) => type.placeholder === "FILE");
  return [...takers, ...settings.map(({ flag }) => `--${flag}`)].includes(before.at(-1) ?? "");
}

/** Known without contacting a store. */
async function migrationIds(): Promise<readonly { readonly id: string; readonly description: string }[]> {
  const { outpostRegistry } = await import("../../migrations/mod.ts");
  const registry = outpostRegistry("");
  return [
    ...SQL_STORES.flatMap((store) =>
      (registry[store]?.steps ?? []).map(({ step }) => ({
        id: migrationId(store, step.version, step.name),
        description: step.description,
      }))
    ),
    ...(registry.redis ?? []).map((migration) => ({
      id: migrationId("redis", migration.version, migration.name),
      description: migration.description,
    })),
  ];
}

function describe(
  tab: TabCommand,
  command: Command,
  ids: readonly { readonly id: string; readonly description: string }[],
): void {
  for (const { flags, description, values } of [...(command.flags ?? []), ...usefulFlags(command)]) {
    const [, short, long, value] = /^(?:-(\w), )?--([\w-]+)(?: <(.+)>)?$/.exec(flags)!;
    addOption(tab, long!, description, value !== undefined, short, values);
  }
  const settings = [...(command.settings ?? []), ...usefulSettings(command)];
  for (const key of settings) {
    const { flag, type, description } = SETTINGS[key] as SettingDefinition<unknown>;
    if (flag === null) continue;
    const words = type.placeholder?.includes("|") ? type.placeholder.split("|") : [];
    addOption(tab, flag, description, type.placeholder !== null, undefined, words);
  }
  addOption(tab, "help", "Show the help of this command", false, "h");
  for (const { name, completes } of command.arguments ?? []) {
    const variadic = name.includes("...");
    tab.argument(name, (complete) => {
      if (completes === "shell") { for (const shell of ["bash", "zsh", "fish"]) complete(shell, ""); }
      if (completes === "migration") { for (const { id, description } of ids) complete(id, description); }
    }, variadic);
  }
}

function addOption(
  tab: TabCommand,
  name: string,
  description: string,
  takesValue: boolean,
  short?: string,
  words: readonly string[] = [],
): void {
  if (takesValue) {
    tab.option(name, description, (complete) => words.forEach((word) => complete(word, "")), short);
  } else if (short === undefined) tab.option(name, description);
  else tab.option(name, description, short);
}

/** The library prints by itself; here only the edge of the process prints. */
async function capture(work: () => void): Promise<string> {
  const lines: string[] = [];
  const { log } = console;
  // deno-lint-ignore no-console -- given back below
  console.log = (line: unknown) => void lines.push(String(line));
  try {
    work();
  } finally {
    // deno-lint-ignore no-console -- as it was
    console.log = log;
  }
  return await Promise.resolve(`${lines.join("\n")}\n`);
}
