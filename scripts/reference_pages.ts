/**
 * The reference, generated from the same tables as the help texts: `docs/reference/commands.md` and `settings.md`.
 *
 * @module
 */

import { COMMANDS } from "../cli/commands.ts";
import { commandHelp } from "../cli/line/help.ts";
import { migrateHelp, programHelp } from "../cli/line/program_help.ts";
import { SETTING_KEYS, SETTINGS } from "../cli/settings/table.ts";
import type { SettingDefinition } from "../cli/settings/setting.ts";
import { SEARCHED_FILES, SERVERS_OWN } from "../cli/settings/file.ts";

/** Every generated file, by its path within the project. */
export function referencePages(): ReadonlyMap<string, string> {
  return new Map([
    ["docs/reference/commands.md", commandsPage()],
    ["docs/reference/settings.md", settingsPage()],
  ]);
}

function commandsPage(): string {
  const shown = COMMANDS.filter(({ hidden }) => hidden !== true);
  const sections = [
    ["outpost", programHelp(shown, {})],
    ["outpost migrate", migrateHelp(shown, {})],
    ...shown.map((command) => [`outpost ${command.path}`, commandHelp(command)]),
  ];
  return [
    "# Commands",
    "",
    "What `--help` prints, generated from the program: do not edit.",
    ...sections.flatMap(([title, help]) => ["", `## ${title}`, "", "```", help!.trimEnd(), "```"]),
    "",
  ].join("\n");
}

function settingsPage(): string {
  const rows = SETTING_KEYS.map((key) => {
    const { name, env, flag, type, default: initial, description } = SETTINGS[key] as SettingDefinition<
      unknown
    >;
    const shown = initial === null || initial === "" ? "none" : `\`${type.show(initial)}\``;
    const flags = name === "migrate.only"
      ? "`--sql-only`, `--redis-only`"
      : flag === null
      ? ""
      : `\`--${flag}\``;
    return `| \`${name}\` | \`${env}\` | ${flags} | ${shown} | ${description} |`;
  });
  return [
    "# Settings",
    "",
    "Generated from the program: do not edit.",
    "",
    "A flag counts before the environment, the environment before the file, the file before the default. A variable that is",
    "empty counts as not set. Switches have a form that turns them off, such as `--no-redis-tls`. Durations are written `500ms`,",
    "`3s`, `5m`, `1h` or `0`.",
    "",
    "The file is the one named with `--config` or `CONFIG`, or the first that exists of " +
    `${SEARCHED_FILES.map((path) => `\`${path}\``).join(", ")}.`,
    "A file whose name begins or ends with `.env` holds the names of the environment, any other is YAML with the names of the",
    "first column. A file that was found rather than named has to belong to the user or to root and to be writable by nobody",
    "else, and sets nothing that weakens TLS or narrows what is checked.",
    "",
    `${
      SERVERS_OWN.map((name) => `\`${name}\``).join(" and ")
    } are settings of Outpost's server alone: here certificates are`,
    "verified unless `redis.tls_insecure` says otherwise, whatever the server does.",
    "",
    "Secrets can stand in files of their own, which `REDIS_PASSWORD_FILE`, `CLICKHOUSE_PASSWORD_FILE`, `POSTGRES_URL_FILE` and",
    "`POSTGRES_PASSWORD_FILE` (for a URL without a password) name in the environment.",
    "",
    "| file | environment | flag | default | meaning |",
    "|---|---|---|---|---|",
    ...rows,
    "",
    "Consent is given for one run and can therefore be set nowhere but on the command line: `--yes`, `--force`, `--rerun` and",
    "`--skip-invalid`.",
    "",
    "Colours: `--no-color`, then `NO_COLOR`, then `FORCE_COLOR`, then whether the stream is a terminal. Traces and counters go",
    "to OpenTelemetry when `OTEL_DENO=true` is set; see Deno's documentation for the `OTEL_` variables.",
    "",
  ].join("\n");
}
