/**
 * Help texts: examples first, options in groups, each with its variable and its default.
 *
 * @module
 */

import type { ArgumentSpec, CommandSpec, FlagSpec } from "../command.ts";
import { type SettingKey, SETTINGS } from "../settings/table.ts";
import type { SettingDefinition } from "../settings/setting.ts";
import { usefulFlags, usefulSettings } from "./shared_options.ts";
import { PLAIN, type Style } from "../output/style.ts";
import { wrap } from "../output/table.ts";

/** How wide a help text is, and with what colours. */
export interface HelpOptions {
  readonly width?: number;
  readonly style?: Style;
}

interface Line {
  readonly term: string;
  readonly text: string;
}

const GROUPS = ["Options", "Lock and pace", "Scope", "Redis", "Postgres", "ClickHouse", "Output"];

/** The help of one command. */
export function commandHelp(spec: CommandSpec, { width = 100, style = PLAIN }: HelpOptions = {}): string {
  const usage = ["outpost", spec.path, ...(spec.arguments ?? []).map(argumentTerm), "[OPTIONS]"].join(" ");
  const parts = [
    wrap(spec.summary, width),
    section("Examples", examples(spec.examples, width, style), style),
    `${style.bold("Usage:")} ${usage}`,
    ...(spec.details ?? []).map((paragraph) => wrap(paragraph, width)),
  ];
  const args = spec.arguments ?? [];
  if (args.length > 0) {
    parts.push(
      section(
        "Arguments",
        list(args.map((a) => ({ term: argumentTerm(a), text: a.description })), width),
        style,
      ),
    );
  }
  for (const [group, lines] of optionLines(spec)) parts.push(section(group, list(lines, width), style));
  return `${parts.join("\n\n")}\n`;
}

/** The help of a group of commands, or of the whole program. */
export function groupHelp(
  { title, usage, examples: shown, groups, footer }: {
    readonly title: string;
    readonly usage: string;
    readonly examples: CommandSpec["examples"];
    readonly groups: readonly { readonly title: string; readonly lines: readonly Line[] }[];
    readonly footer: readonly string[];
  },
  { width = 100, style = PLAIN }: HelpOptions = {},
): string {
  const parts = [
    wrap(title, width),
    section("Examples", examples(shown, width, style), style),
    `${style.bold("Usage:")} ${usage}`,
    ...groups.map((group) => section(group.title, list(group.lines, width), style)),
    ...footer.map((paragraph) => wrap(paragraph, width)),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** All options of a command by group, in the order in which groups are shown. */
function optionLines(spec: CommandSpec): readonly (readonly [string, readonly Line[]])[] {
  const lines = new Map<string, Line[]>(GROUPS.map((group) => [group, []]));
  const add = (group: string, line: Line) => lines.get(group)!.push(line);
  for (const flag of spec.flags ?? []) add(flag.group ?? "Options", flagLine(flag));
  add("Options", { term: "-h, --help", text: "Show this help" });
  for (const key of [...(spec.settings ?? []), ...usefulSettings(spec)]) {
    const line = settingLine(key);
    if (line !== null) add(SETTINGS[key].group, line);
  }
  for (const flag of usefulFlags(spec)) add(flag.group!, flagLine(flag));
  return [...lines].filter(([, group]) => group.length > 0);
}

function flagLine({ flags, description, default: initial }: FlagSpec): Line {
  const text = initial === undefined ? description : `${description} [default: ${initial}]`;
  return { term: flags.replace(/[<>]/g, ""), text };
}

function settingLine(key: SettingKey): Line | null {
  const { flag, env, type, default: initial, description } = SETTINGS[key] as SettingDefinition<unknown>;
  if (flag === null) return null;
  const shown = initial === null || initial === "" ? "" : ` [default: ${type.show(initial)}]`;
  return {
    term: type.placeholder === null ? `--${flag}` : `--${flag} ${type.placeholder}`,
    text: `${description} (${env})${shown}`,
  };
}

/** `[id...]` as `[ID...]`. */
export function argumentTerm({ name }: ArgumentSpec): string {
  return name.replace(/[<>]/g, "").toUpperCase();
}

function section(title: string, lines: readonly string[], style: Style): string {
  return [`${style.bold(`${title}:`)}`, ...lines.map((line) => `  ${line}`)].join("\n");
}

function list(lines: readonly Line[], width: number): readonly string[] {
  const column = Math.min(28, Math.max(...lines.map((line) => line.term.length)));
  const indent = " ".repeat(column + 4);
  return lines.map(({ term, text }) => {
    const wrapped = wrap(text, width - column - 4).replaceAll("\n", `\n${indent}`);
    return term.length > column ? `${term}\n${indent}${wrapped}` : `${term.padEnd(column)}  ${wrapped}`;
  });
}

function examples(shown: CommandSpec["examples"], width: number, style: Style): readonly string[] {
  const longest = Math.max(...shown.map(({ command }) => command.length));
  return shown.map(({ command, does }) =>
    longest + does.length + 4 <= width
      ? `${command.padEnd(longest)}  ${style.dim(does)}`
      : `${wrap(`# ${does}`, width - 2, "  # ").split("\n").map(style.dim).join("\n")}\n  ${command}`
  );
}
