/**
 * Reads the command line. commander splits it; what the words mean is decided by the commands.
 *
 * @module
 */

import { Command as Parser, CommanderError, Option } from "commander";
import type { Command, CommandInput, FlagSpec } from "../command.ts";
import type { OutputFlags } from "../context.ts";
import { UsageError } from "../errors.ts";
import { commandHelp, type HelpOptions } from "./help.ts";
import { migrateHelp, programHelp } from "./program_help.ts";
import { type SettingKey, SETTINGS } from "../settings/table.ts";
import type { SettingDefinition } from "../settings/setting.ts";
import { SHARED_FLAGS, SHARED_SETTINGS, usefulFlags } from "./shared_options.ts";
import { closest } from "./suggest.ts";

/** A command line that was understood. */
export type ParsedLine =
  | { readonly kind: "help"; readonly text: string }
  | { readonly kind: "version" }
  | {
    readonly kind: "command";
    readonly command: Command;
    readonly input: CommandInput;
    readonly output: OutputFlags;
    /** Flags that are settings, by long flag without dashes. */
    readonly settings: ReadonlyMap<string, unknown>;
    /** Value of `--config`. */
    readonly config: string | undefined;
  };

/**
 * Parses.
 *
 * @throws {UsageError} When a word, flag or value is unknown, missing or contradictory.
 */
export function parseLine(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
  help: HelpOptions,
): ParsedLine {
  let result: ParsedLine | null = null;
  let printed = "";
  const root = new Parser("outpost");
  const migrate = new Parser("migrate");
  const settle = (parser: Parser, text: (options: HelpOptions) => string) =>
    parser
      .exitOverride()
      .helpOption("-h, --help", "Show this help")
      .helpCommand(false)
      .configureOutput({
        writeOut: (out) => void (printed += out),
        writeErr: () => {},
        outputError: () => {},
      })
      .configureHelp({ formatHelp: () => text(help) });
  settle(root, (options) => programHelp(commands, options)).version(version, "-V, --version");
  settle(migrate, (options) => migrateHelp(commands, options));
  addFlags(root, SHARED_FLAGS, SHARED_SETTINGS);
  root.addOption(new Option("--color").hideHelp());
  for (const command of commands) {
    const [first, second] = command.path.split(" ");
    const parser = settle(new Parser(second ?? first), (options) => commandHelp(command, options));
    addFlags(parser, command.flags ?? [], command.settings ?? []);
    for (const argument of command.arguments ?? []) parser.argument(argument.name, argument.description);
    parser.action(() =>
      void (result = toParsedLine(command, parser.args, collectFlags([root, migrate, parser])))
    );
    (second === undefined ? root : migrate).addCommand(parser, { hidden: command.hidden ?? false });
  }
  root.addCommand(migrate);
  const versionCommand = settle(new Parser("version"), (options) => programHelp(commands, options));
  root.addCommand(versionCommand.action(() => void (result = { kind: "version" })));
  try {
    root.parse([...withHelpFlag(args)], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.code === "commander.version") return { kind: "version" };
    if (error.code === "commander.helpDisplayed") {
      const path = unknownPath(root, migrate);
      // Without its flag it is refused as it is anywhere.
      return path === null ? { kind: "help", text: printed } : parseLine(path, commands, version, help);
    }
    throw toUsageError(error, args, commands);
  }
  if (result === null) throw new UsageError("No command given", { hint: "See outpost --help" });
  return result;
}

/** The command that help was asked for, where there is none of that name; or null. */
function unknownPath(root: Parser, migrate: Parser): readonly string[] | null {
  const path = root.args[0] === "migrate" ? ["migrate", migrate.args[0]] : [root.args[0]];
  const group = path.length > 1 ? migrate : root;
  const word = path.at(-1);
  return word === undefined || word.startsWith("-") || group.commands.some((known) => known.name() === word)
    ? null
    : path as readonly string[];
}

/** `help migrate plan` and `migrate help plan` as `migrate plan --help`. */
function withHelpFlag(args: readonly string[]): readonly string[] {
  const at = args[0] === "migrate" ? 1 : 0;
  return args[at] === "help" ? [...args.slice(0, at), ...args.slice(at + 1), "--help"] : args;
}

function addFlags(parser: Parser, flags: readonly FlagSpec[], settings: readonly SettingKey[]): void {
  for (const { flags: written, description } of flags) parser.addOption(new Option(written, description));
  for (const key of settings) {
    const { flag, type, description } = SETTINGS[key] as SettingDefinition<unknown>;
    if (flag === null) continue;
    if (type.placeholder !== null) {
      const option = new Option(`--${flag} <${type.placeholder.replaceAll("|", ":")}>`, description);
      const collect = (value: string, before: readonly string[] = []) => [...before, value];
      parser.addOption(type.repeats === true ? option.argParser(collect) : option);
    } else {
      // The negation lets a flag win over an environment that switches it on.
      parser.addOption(new Option(`--${flag}`, description));
      parser.addOption(new Option(`--no-${flag}`, description).hideHelp());
    }
  }
}

/** What was really written, by long flag; what stands nearer to the command counts. */
function collectFlags(parsers: readonly Parser[]): Map<string, unknown> {
  const flags = new Map<string, unknown>();
  for (const parser of parsers) {
    for (const option of parser.options) {
      const key = option.attributeName();
      if (parser.getOptionValueSource(key) === "cli") {
        flags.set(option.name().replace(/^no-/, ""), parser.getOptionValue(key));
      }
    }
  }
  return flags;
}

function toParsedLine(
  command: Command,
  args: readonly string[],
  flags: ReadonlyMap<string, unknown>,
): ParsedLine {
  refuseUseless(command, flags);
  refuseTogether(flags, "sql-only", "redis-only");
  refuseTogether(flags, "verbose", "quiet");
  const text = (flag: string) => flags.get(flag) as string | undefined;
  return {
    kind: "command",
    command,
    input: {
      args,
      has: (flag) => flag.startsWith("no-") ? flags.get(flag.slice(3)) === false : flags.get(flag) === true,
      text,
    },
    output: {
      json: flags.has("json"),
      verbose: flags.has("verbose"),
      quiet: flags.has("quiet"),
      colours: flags.get("color") as boolean | undefined,
      levelGiven: flags.has("log-level"),
    },
    settings: flags,
    config: text("config"),
  };
}

/**
 * A command without settings takes none of the flags that say which stores are meant, and how; but each of `migrate` takes those that all
 * of them take, for who adds them to whatever is typed.
 */
function refuseUseless(command: Command, flags: ReadonlyMap<string, unknown>): void {
  if (command.needs !== "none" || command.path.startsWith("migrate ")) return;
  const useless = [
    ...SHARED_SETTINGS.filter((key) => SETTINGS[key].group !== "Output")
      .map((key) => SETTINGS[key].flag as string | null),
    ...SHARED_FLAGS.filter((flag) => !usefulFlags(command).includes(flag))
      .map(({ flags }) => /--([\w-]+)/.exec(flags)![1]!),
  ];
  const given = useless.find((flag) => flag !== null && flags.has(flag));
  if (given === undefined) return;
  throw new UsageError(`outpost ${command.path} has no option '--${given}'`, {
    hint: `See what it has: outpost ${command.path} --help`,
  });
}

function refuseTogether(flags: ReadonlyMap<string, unknown>, one: string, other: string): void {
  if (flags.get(one) !== true || flags.get(other) !== true) return;
  throw new UsageError(`--${one} and --${other} contradict each other`, { hint: "Leave one of them away" });
}

function toUsageError(
  error: CommanderError,
  args: readonly string[],
  commands: readonly Command[],
): UsageError {
  const path = commands.map((command) => command.path).filter((known) => args.join(" ").includes(known))[0];
  const see = `See outpost ${path ?? (args.includes("migrate") ? "migrate" : "")} --help`.replace("  ", " ");
  // A group without a command shows its help, which is what commander calls this.
  if (error.code === "commander.help") {
    return new UsageError("No command given", { hint: see });
  }
  // What was written behind an option that nobody knows may be a password.
  const told = error.code === "commander.unknownOption"
    ? error.message.replace(/'(--[^='\n]*|-[^-])(.*)'(?=\n\(Did|$)/s, "'$1'")
    : error.message;
  const [message, suggestion] = told.split("\n");
  const text = message!.replace(/^error: /, "").replace(/\.$/, "");
  const meant = error.code === "commander.unknownCommand" ? withoutGroup(message!, commands) : null;
  const said = suggestion?.replace(/^\(|\)$/g, "") ?? (meant === null ? undefined : `Did you mean ${meant}?`);
  const hint = said === undefined ? see : `${said} ${see}`;
  return new UsageError(text.charAt(0).toUpperCase() + text.slice(1), { hint });
}

/** What was meant by a word that is a command only behind another one, such as `apply`; or null. */
function withoutGroup(message: string, commands: readonly Command[]): string | null {
  const paths = commands.filter(({ hidden, path }) => hidden !== true && path.includes(" "))
    .map(({ path }) => path);
  const last = paths.map((path) => path.split(" ").at(-1)!);
  const word = closest(/'([^']*)'/.exec(message)?.[1] ?? "", last, 2);
  return word === null ? null : paths[last.indexOf(word)]!;
}
