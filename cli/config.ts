/**
 * `outpost config`
 *
 * @module
 */

import { type Command, defineCommand } from "./command.ts";
import type { Context } from "./context.ts";
import { LOCK_SETTINGS, PACE_SETTINGS, STEP_SETTINGS } from "./line/shared_options.ts";
import { EXIT } from "./output/error_catalogue.ts";
import type { Layout } from "./output/output.ts";
import { nextCommand } from "./output/output.ts";
import { checkSettings, type ResolvedSetting } from "./settings/resolve.ts";
import { shownValue } from "./settings/shown_value.ts";
import type { SettingsFile } from "./settings/file.ts";
import { originText } from "./stores/place.ts";
import { renderTable, wrap } from "./output/table.ts";

/** The settings and where they came from. */
export const config: Command = defineCommand(
  {
    path: "config",
    summary: "Show every setting, its value and where it came from, secrets hidden",
    details: [
      "A flag counts before the environment, the environment before the file, the file before the default. Contacts no store. " +
      "Exits 2 when a setting cannot be used.",
    ],
    examples: [
      { command: "outpost config", does: "what counts here" },
      { command: "outpost config -c /etc/outpost.yaml", does: "what would count with this file" },
      { command: "outpost config --json", does: "the same for programs" },
    ],
    settings: [...LOCK_SETTINGS, ...PACE_SETTINGS, ...STEP_SETTINGS],
    reportsProblems: true,
  },
  () => ({}),
  run,
  run,
);

async function run({ resolved, file, host, output }: Context): Promise<number> {
  const sound = resolved.every(({ problem }) => problem === null);
  if (sound || !output.json) {
    output.result(configJson(resolved, file), (layout) =>
      // Whoever reads it with a program finds a setting in a line.
      renderConfig(resolved, file, layout, host.stdout.terminal ? layout.width : Infinity));
  }
  checkSettings(resolved);
  return await Promise.resolve(EXIT.done);
}

function configJson(resolved: readonly ResolvedSetting[], file: SettingsFile | null) {
  return {
    file: file?.path ?? null,
    settings: resolved.map((setting) => ({
      name: setting.definition.name,
      env: setting.definition.env,
      flag: setting.definition.flag === null ? null : `--${setting.definition.flag}`,
      value: shownValue(setting),
      origin: setting.origin.kind,
      origin_name: setting.origin.name,
    })),
    unknown: (file?.unknown ?? []).map(({ key, suggestion }) => ({ key, suggestion })),
  };
}

function renderConfig(
  resolved: readonly ResolvedSetting[],
  file: SettingsFile | null,
  layout: Layout,
  tableWidth: number,
): string {
  const { style, width } = layout;
  const rows = resolved.map((setting) => {
    const { definition, origin, problem } = setting;
    const value = problem === null ? shownValue(setting) : style.red("cannot be used");
    const shown = value === "" ? style.dim("(none)") : value;
    return [definition.name, definition.env, shown, originText(origin)];
  });
  const lines = [
    file === null ? "No configuration file was found." : `Configuration file: ${file.path}`,
    "",
    ...renderTable(
      [
        { title: "SETTING" },
        { title: "VARIABLE" },
        { title: "VALUE" },
        { title: "FROM" },
      ],
      rows,
      { width: tableWidth, title: style.dim },
    ),
  ];
  for (const { key, suggestion } of file?.unknown ?? []) {
    const meant = suggestion === null ? "" : `; did you mean ${suggestion}?`;
    lines.push("", wrap(`${style.yellow("!")} ${file!.path}: ${key} is not known${meant}`, width, "  "));
  }
  return [...lines, "", nextCommand(layout, "outpost migrate status", "are the stores there?")].join("\n");
}
