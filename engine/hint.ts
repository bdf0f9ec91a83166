/**
 * What to do next, with the commands to run kept apart from the words around them.
 *
 * @module
 */

/** One line for people. The engine names its commands, such as `apply`; an application says how its users type them. */
export class Hint {
  /** The commands with their arguments, in order, for example `verify --full`. */
  readonly commands: readonly string[];
  readonly #texts: readonly string[];

  /** Made by {@linkcode hint}. @internal */
  constructor(texts: readonly string[], commands: readonly string[]) {
    this.#texts = texts;
    this.commands = commands;
  }

  /** The line. @param write How a command is written. */
  text(write: (command: string) => string): string {
    return this.#texts.map((text, i) => i === 0 ? text : write(this.commands[i - 1]!) + text).join("");
  }

  /** The line for callers of the library. */
  toString(): string {
    return this.text((command) => `migrate ${command}`);
  }
}

/** Makes a hint of a template in which each value is a command: ``hint`Run ${"apply"} first` ``. */
export function hint(texts: TemplateStringsArray, ...commands: readonly string[]): Hint {
  return new Hint(texts, commands);
}

/** The way out when another tool failed in the middle of a version. */
export function dirtyHint(version: number): Hint {
  const [whole, before] = dirtyVersions(version).map((one) => `force ${one}`) as [string, string];
  return hint`Compare the schema (${"verify"}), repair it, then set the version that it really has: ${whole} when the step \
is complete, or ${before}`;
}

/** The versions that a dirty database may really be at: when the step is complete, and when it is not. */
export function dirtyVersions(version: number): readonly [whole: number, before: number] {
  // Below version 1 it was the first step that was being taken back.
  return version === 0 ? [1, 0] : [version, version - 1];
}
