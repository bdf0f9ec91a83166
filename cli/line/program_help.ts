/**
 * The help of the program and of `outpost migrate`.
 *
 * @module
 */

import type { Command } from "../command.ts";
import { argumentTerm, groupHelp, type HelpOptions } from "./help.ts";

const STATUSES =
  "Exit status: 0 done or nothing to do; 1 failed, pending or not verified; 2 wrong usage or configuration; 3 locked by " +
  "another, or the lock was lost; 4 a store cannot be reached or refuses the credentials; 5 a saved plan no longer fits; " +
  "130 and 143 interrupted.";

/** `outpost --help` */
export function programHelp(commands: readonly Command[], options: HelpOptions): string {
  return groupHelp({
    title: "outpost: one migration system for the SQL and the Redis data of an Outpost deployment",
    usage: "outpost COMMAND [OPTIONS]",
    examples: [
      { command: "outpost migrate status", does: "can I deploy?" },
      { command: "outpost migrate plan", does: "what would change, in numbers" },
      { command: "outpost migrate apply --yes", does: "before every deployment" },
      { command: "outpost serve", does: "start the server, unless something is pending" },
    ],
    groups: [
      { title: "Migrations", lines: commandLines(commands, (path) => path.startsWith("migrate ")) },
      {
        title: "Commands",
        lines: [
          ...commandLines(commands, (path) => !path.startsWith("migrate ")),
          { term: "help [COMMAND...]", text: "Show this help, or that of a command" },
          { term: "version", text: "Show the version" },
        ],
      },
      {
        title: "Options",
        lines: [
          { term: "-V, --version", text: "Show the version" },
          { term: "-h, --help", text: "Show this help, or that of a command" },
        ],
      },
    ],
    footer: [STATUSES],
  }, options);
}

/** `outpost migrate --help` */
export function migrateHelp(commands: readonly Command[], options: HelpOptions): string {
  return groupHelp({
    title: "outpost migrate: preview, apply, verify and clean up migrations of both stores",
    usage: "outpost migrate COMMAND [OPTIONS]",
    examples: [
      { command: "outpost migrate plan", does: "what would change" },
      { command: "outpost migrate apply", does: "change it, after a question" },
      { command: "outpost migrate verify", does: "prove it" },
      { command: "outpost migrate cleanup", does: "delete what was left behind" },
    ],
    groups: [{ title: "Commands", lines: commandLines(commands, (path) => path.startsWith("migrate ")) }],
    footer: ["Every command has its own options: outpost migrate COMMAND --help", STATUSES],
  }, options);
}

function commandLines(commands: readonly Command[], wanted: (path: string) => boolean) {
  return commands.filter((command) => command.hidden !== true && wanted(command.path)).map((command) => ({
    term: [command.path, ...(command.arguments ?? []).map(argumentTerm)].join(" "),
    text: command.summary,
  }));
}
