/**
 * Finds and reads the configuration file. An Outpost file holds dozens of settings that are not this tool's business: they
 * are left alone; what is unknown in the sections that this tool reads is reported by `outpost config`.
 *
 * @module
 */

import { parseDotenv } from "./dotenv.ts";
import { FileError } from "../errors.ts";
import { assertOwn } from "./found_file.ts";
import { SETTING_KEYS, SETTINGS } from "./table.ts";
import { closest } from "../line/suggest.ts";
import { systemReason } from "../system_reason.ts";

/** Where a file is looked for, in this order, when none is named. */
export const SEARCHED_FILES: readonly string[] = [
  ".env",
  ".outpost.yaml",
  "config/outpost.yaml",
  "config/outpost/config.yaml",
  "config/outpost/.env",
  "/config/outpost.yaml",
  "/config/outpost/config.yaml",
  "/config/outpost/.env",
];

/** A key that nobody reads, and the one that was probably meant. */
export interface UnknownKey {
  readonly key: string;
  readonly suggestion: string | null;
}

/** What a file holds. Nothing of it has been checked. */
export interface SettingsFile {
  readonly path: string;
  /** `env` files use the names of the environment, `yaml` files the paths. */
  readonly kind: "env" | "yaml";
  /** True when nobody named it. @default {false} */
  readonly found?: boolean;
  /** Values by name, as written. */
  readonly values: ReadonlyMap<string, unknown>;
  readonly unknown: readonly UnknownKey[];
}

/**
 * Reads the file that is named, or the first that exists of {@linkcode SEARCHED_FILES}.
 *
 * @returns Null when none is named and none exists.
 * @throws {FileError} When the named file is missing, or the file cannot be read or parsed, or was found and is not the user's.
 */
export async function readSettingsFile(
  named: string | undefined,
  { searched = SEARCHED_FILES }: { readonly searched?: readonly string[] } = {},
): Promise<SettingsFile | null> {
  for (const path of named === undefined ? searched : [named]) {
    let content: string;
    try {
      content = await readOpen(path, { found: named === undefined });
    } catch (error) {
      if (error instanceof FileError) throw error;
      if (named === undefined && error instanceof Deno.errors.NotFound) continue;
      // A folder named .env or config/outpost.yaml is somebody else's.
      if (named === undefined && error instanceof Deno.errors.IsADirectory) continue;
      if (named === undefined && error instanceof Deno.errors.NotADirectory) continue;
      throw new FileError(`Cannot read the configuration file "${path}": ${systemReason(error)}`, {
        cause: error,
        hint: "Name the file with --config or CONFIG, or make it readable",
      });
    }
    return { ...await parseSettingsFile(path, content), found: named === undefined };
  }
  return null;
}

/** Bytes of a configuration file at most, and values in it. Aliases can make millions of a few lines. */
const LARGEST_FILE = 1024 * 1024;
const MOST_VALUES = 10_000;
const DEEPEST = 50;

/** What is checked is what is read: the file stays open in between. */
async function readOpen(path: string, { found }: { readonly found: boolean }): Promise<string> {
  if (found) await assertOrdinary(path);
  using file = await Deno.open(path);
  const about = await file.stat();
  if (about.isDirectory) throw new Deno.errors.IsADirectory();
  if (found) assertOwn(path, about);
  const parts: BlobPart[] = [];
  let size = 0;
  // A pipe does not say how much is in it, and a device may have no end.
  for await (const part of file.readable) {
    parts.push(part);
    size += part.length;
    if (size <= LARGEST_FILE) continue;
    throw new FileError(`Cannot read the configuration file "${path}": it is larger than 1 MiB`, {
      hint: "Name the file with --config or CONFIG",
    });
  }
  return await new Blob(parts).text();
}

/** Opening a pipe takes until somebody writes to it. @throws {FileError} When it is one, or a device. */
async function assertOrdinary(path: string): Promise<void> {
  const { isFile, isDirectory } = await Deno.stat(path);
  if (isFile || isDirectory) return;
  throw new FileError(`Cannot read the configuration file "${path}": it is no ordinary file`, {
    hint: "Name the file with --config or CONFIG",
  });
}

/** Parses a file. @throws {FileError} When it is neither YAML nor lines of NAME=value, as its name says. */
export async function parseSettingsFile(path: string, content: string): Promise<SettingsFile> {
  return isEnvFile(path) ? readEnv(path, content) : await readYaml(path, content);
}

function isEnvFile(path: string): boolean {
  const name = path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1);
  return name.endsWith(".env") || name.startsWith(".env");
}

function readEnv(path: string, content: string): SettingsFile {
  const { values, problems } = parseDotenv(content);
  if (problems.length > 0) {
    throw new FileError(`Cannot understand the configuration file "${path}": ${problems.join("; ")}`, {
      hint: "Write one NAME=value a line, and quote values that hold spaces or #",
    });
  }
  const names = SETTING_KEYS.map((key) => SETTINGS[key].env as string);
  const unknown = [...values.keys()].filter((name) => !names.includes(name)).flatMap((name) => {
    // Other programs share these files and their prefixes: only what looks like a slip is worth a word.
    const suggestion = /^(REDIS|POSTGRES|CLICKHOUSE|MIGRATE|DEPLOYMENT|LOG)/.test(name)
      ? closest(name, names, 2)
      : null;
    return suggestion === null ? [] : [{ key: name, suggestion }];
  });
  return { path, kind: "env", values, unknown };
}

async function readYaml(path: string, content: string): Promise<SettingsFile> {
  // Loaded here, because most runs have no such file and every run would pay for it.
  const { parse: parseYaml } = await import("@std/yaml");
  let root: unknown;
  try {
    // Every value as it is written: read as a number, the password 0123 would become 123.
    root = parseYaml(content, { schema: "failsafe" });
  } catch (error) {
    // The parser's message quotes the text around the fault, which may be a secret: only the place is told.
    const place = error instanceof Error ? /line (\d+), column (\d+)/.exec(error.message) : null;
    throw new FileError(
      `Cannot understand the configuration file "${path}": it is not valid YAML${
        place === null ? "" : ` at line ${place[1]}, column ${place[2]}`
      }`,
      { hint: "Check the indentation and quote values that hold special characters" },
    );
  }
  if (root !== null && root !== undefined && (typeof root !== "object" || Array.isArray(root))) {
    throw new FileError(`Cannot understand the configuration file "${path}": it is not a list of settings`, {
      hint: "Write settings such as redis.host as nested YAML, or use a file named .env for NAME=value lines",
    });
  }
  const values = new Map<string, unknown>();
  if (!flatten((root ?? {}) as Record<string, unknown>, "", 1, values)) {
    throw new FileError(
      `Cannot understand the configuration file "${path}": it holds more than ${MOST_VALUES} values, or nests them too deeply`,
      { hint: "Take out the aliases that refer to one another" },
    );
  }
  return { path, kind: "yaml", values, unknown: unknownPaths(values) };
}

/**
 * Paths of all scalars. A section that is empty (`redis:` alone) holds nothing and is no value.
 *
 * @returns False when there are too many, or one within the other without an end.
 */
function flatten(
  node: Readonly<Record<string, unknown>>,
  prefix: string,
  depth: number,
  values: Map<string, unknown>,
): boolean {
  if (depth > DEEPEST) return false;
  return Object.entries(withMerged(node)).every(([key, value]) => {
    if (value === null || value === undefined || isYamlNull(value)) return true;
    if (typeof value === "object" && !Array.isArray(value) && !(value instanceof Date)) {
      return flatten(value as Record<string, unknown>, `${prefix}${key}.`, depth + 1, values);
    }
    values.set(prefix + key, value);
    return values.size <= MOST_VALUES;
  });
}

/** Mappings with what was merged into them: each is looked at once, however often and wherever it is named. */
const MERGED = new WeakMap<object, Readonly<Record<string, unknown>>>();

/** A mapping with what YAML merges into it: that counts less than what stands there itself, and of several the first the most. */
function withMerged(node: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (!("<<" in node)) return node;
  const known = MERGED.get(node);
  if (known !== undefined) return known;
  const { "<<": merged, ...own } = node;
  MERGED.set(node, own); // One that is merged into itself ends here.
  const sources = [merged].flat().filter(isMapping).map(withMerged);
  const whole = Object.assign({}, ...sources.toReversed(), own);
  MERGED.set(node, whole);
  return whole;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function isYamlNull(value: unknown): boolean {
  return typeof value === "string" && ["", "~", "null"].includes(value.toLowerCase());
}

/**
 * Settings of Outpost's server in sections that this tool reads too. That its `tls_verify` is off does not switch off the verification
 * here: whoever wants that says so with `tls_insecure`.
 */
export const SERVERS_OWN: readonly string[] = ["redis.tls_verify", "redis.pool_size"];

function unknownPaths(values: ReadonlyMap<string, unknown>): UnknownKey[] {
  const names = SETTING_KEYS.map((key) => SETTINGS[key].name as string);
  const sections = new Set(names.map((name) => name.split(".")[0]!));
  return [...values.keys()].filter((path) => ![...names, ...SERVERS_OWN].includes(path)).flatMap((path) => {
    const owned = sections.has(path.split(".")[0]!);
    const suggestion = closest(path, names, owned ? 4 : 2);
    return owned || suggestion !== null ? [{ key: path, suggestion }] : [];
  });
}
