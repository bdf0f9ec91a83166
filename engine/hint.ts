/**
 * What to do next, with the commands to run kept apart from the words around them.
 *
 * @module
 */

/** One line for people, as data. The engine names commands, such as `apply`; an application says how its users type them. */
export interface Hint {
  /** The words around the commands: one more than there are commands. */
  readonly texts: readonly string[];
  /** The commands with their arguments, in order, for example `verify --full`. */
  readonly commands: readonly string[];
  /** What callers of the library are told instead, where no method does what the commands do. */
  readonly forCallers?: string;
}

/** Makes a hint of a template in which each value is a command: ``hint`Run ${"apply"} first` ``. */
export function hint(texts: TemplateStringsArray, ...commands: readonly string[]): Hint {
  return { texts: [...texts], commands };
}

/** The line. @param write How a command is written. */
export function textOf(told: string | Hint, write: (command: string) => string): string {
  if (typeof told === "string") return told;
  return told.texts.map((text, i) => i === 0 ? text : write(told.commands[i - 1]!) + text).join("");
}

/** The line for callers of the library, who type no commands. */
export function textForCallers(told: string | Hint): string {
  const text = typeof told === "string" ? told : told.forCallers ?? textOf(told, callOf);
  return text.replace(
    /\b(R|r)un the same command again/g,
    (_, first) => `${AGAIN[first as "R" | "r"]} again`,
  );
}

/** What those do again who call, at the beginning of a sentence or within. */
const AGAIN = { R: "Make the same call", r: "make the same call" };

/** Several in one line, each once. */
export function joinHints(all: readonly (string | Hint)[]): Hint {
  const each = [...new Map(all.map((one) => [textForCallers(one), one] as const))];
  const texts = [""];
  const commands: string[] = [];
  for (const [i, [, one]] of each.entries()) {
    const [first, ...rest] = typeof one === "string" ? [one] : one.texts;
    texts.push(`${texts.pop()}${i === 0 ? "" : "; "}${first}`, ...rest);
    if (typeof one !== "string") commands.push(...one.commands);
  }
  return { texts, commands, forCallers: each.map(([text]) => text).join("; ") };
}

/** How a program calls what a command does: of `apply --skip-invalid` it is `apply({ skipInvalid: true })`. */
export function callOf(command: string): string {
  const [name, ...words] = command.split(" ") as [string, ...string[]];
  const valueOf = (flag: string) => words.includes(flag) ? words[words.indexOf(flag) + 1]! : null;
  if (name === "prepare" && words.includes("--abort")) return "abortPrepared()";
  const store = valueOf("--store");
  const ofStore = store === null ? "" : `, { store: "${store}" }`;
  if (name === "force") return `force(${words[0]!.toLowerCase()}${ofStore})`;
  if (name === "down") return `down({ to: ${valueOf("--to")} }${ofStore})`;
  const ids = words.filter((word) => !word.startsWith("-"));
  const flags = words.filter((word) => word.startsWith("--")).map((flag) =>
    `${flag.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase())}: true`
  );
  const named = ids.length === 0 ? [] : [`ids: ${JSON.stringify(ids).replaceAll(",", ", ")}`];
  const options = [...named, ...flags];
  return `${name}(${options.length === 0 ? "" : `{ ${options.join(", ")} }`})`;
}

/** What a command that works on one SQL store has to say too, where there are others: ` --store clickhouse`, or nothing. */
export function storeFlag(store: string, { size }: { readonly size: number }): string {
  return size > 1 ? ` --store ${store}` : "";
}

/**
 * The way out when another tool failed in the middle of a version.
 *
 * @param latest The highest that this program knows.
 * @param flag {@linkcode storeFlag}
 */
export function dirtyHint(version: number, latest: number, flag = ""): string | Hint {
  if (version > latest) return `Repair it with the release that knows version ${version}`;
  const [whole, before] = dirtyVersions(version).map((one) => `force ${one}${flag}`) as [string, string];
  return hint`Compare the schema (${"verify"}), repair it, then set the version that it really has: ${whole} when the step \
is complete, or ${before}`;
}

/** The versions that a dirty database may really be at: when the step is complete, and when it is not. */
export function dirtyVersions(version: number): readonly [whole: number, before: number] {
  // Below version 1 it was the first step that was being taken back.
  return version === 0 ? [1, 0] : [version, version - 1];
}
