/**
 * What a command is: its help, its flags, how they become options, and what it does.
 *
 * @module
 */

import type { Context } from "./context.ts";
import { meansMany, refuseMany } from "./deployments/many.ts";
import type { SettingKey } from "./settings/table.ts";

/** A flag of one command alone, or one of the few that every command has. Settings have flags of their own. */
export interface FlagSpec {
  /** As one writes it: `-y, --yes` or `--out <FILE>`. */
  readonly flags: string;
  readonly description: string;
  /** What holds when it is not given, for the help. */
  readonly default?: string;
  readonly group?: string;
  /** What a shell may offer as its value. */
  readonly values?: readonly string[];
}

/** An argument of a command. */
export interface ArgumentSpec {
  /** As commander reads it: `<version>`, `[id...]`. */
  readonly name: string;
  readonly description: string;
  /** What a shell may offer in its place. */
  readonly completes?: "migration" | "shell";
}

/** What the command line held for a command. */
export interface CommandInput {
  readonly args: readonly string[];
  /** True when the switch was given. */
  has(flag: string): boolean;
  /** Value of the flag, or undefined when it was not given. */
  text(flag: string): string | undefined;
}

/** Which settings a command takes, which is which flags it has and what its help lists. */
export interface CommandSpec {
  /** As a user types it, without the program's name: `migrate plan`. */
  readonly path: string;
  /** One line. */
  readonly summary: string;
  /** What else there is to know, a paragraph each. */
  readonly details?: readonly string[];
  readonly examples: readonly { readonly command: string; readonly does: string }[];
  readonly arguments?: readonly ArgumentSpec[];
  readonly flags?: readonly FlagSpec[];
  /** Settings beyond those that every command takes. */
  readonly settings?: readonly SettingKey[];
  /** `none`: it runs without any settings and takes the flags alone that say how it answers. */
  readonly needs?: "none" | "settings";
  /** It runs although settings cannot be used, and says so itself. */
  readonly reportsProblems?: boolean;
  readonly hidden?: boolean;
  /** It works on one deployment, and refuses several. @default {false} */
  readonly ofOne?: boolean;
}

/** A command with its options read and its work ready to run. */
export interface Command extends CommandSpec {
  /**
   * Reads and validates the options, then returns the work.
   *
   * @throws {UsageError} When they contradict each other.
   */
  readonly prepare: (input: CommandInput) => (context: Context) => Promise<number>;
}

/** Ties a command's options to its work. @param runForMany What it does where several deployments are meant; left out, it refuses. */
export function defineCommand<Options>(
  spec: CommandSpec,
  read: (input: CommandInput) => Options,
  run: (context: Context, options: Options) => Promise<number>,
  runForMany?: (context: Context, options: Options) => Promise<number>,
): Command {
  return {
    ...spec,
    ofOne: runForMany === undefined,
    prepare(input) {
      const options = read(input);
      return (context) => (meansMany(context) ? runForMany ?? refuseMany(spec.path) : run)(context, options);
    },
  };
}
