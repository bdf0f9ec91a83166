/**
 * Settings: a flag counts before the environment, the environment before the file, the file before the default.
 *
 * @module
 */

import { SettingsError } from "../errors.ts";
import { SETTING_KEYS, type SettingKey, SETTINGS, type Settings } from "./table.ts";
import type { SettingDefinition } from "./setting.ts";
import type { SettingsFile } from "./file.ts";
import { refusalOf, SENT_TO } from "./found_file.ts";
import { parsePostgresUrl } from "../stores/postgres/url.ts";
import type { FileVariable, SecretFiles } from "./secret_files.ts";

/** Where a value came from. `name` is the flag, the variable or the path that held it. */
export interface Origin {
  readonly kind: "flag" | "environment" | "file" | "default";
  readonly name: string | null;
  /** Path of the file, for the kind `file`. */
  readonly file: string | null;
}

/** What was written, by whom it was written. Nothing of it has been checked. */
export interface RawSettings {
  /** Values by long flag without dashes; switches are true. */
  readonly flags: ReadonlyMap<string, unknown>;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly file: SettingsFile | null;
  /** Secrets in files of their own. @default {none} */
  readonly secretFiles?: SecretFiles;
}

/** One setting after the precedence was decided. */
export interface ResolvedSetting {
  readonly key: SettingKey;
  readonly definition: SettingDefinition<unknown>;
  /** The checked value; the default when what was written cannot be used. */
  readonly value: unknown;
  readonly origin: Origin;
  /** Why what was written cannot be used, or null. */
  readonly problem: string | null;
}

/** Decides for every setting whose word counts, and checks it. Never throws: problems are part of the answer. */
export function resolveSettings(raw: RawSettings): readonly ResolvedSetting[] {
  return SETTING_KEYS.map((key) => {
    const definition = SETTINGS[key] as SettingDefinition<unknown>;
    const [written, origin, fault] = find(definition, raw);
    const unusable = (problem: string): ResolvedSetting => ({
      key,
      definition,
      value: definition.default,
      origin,
      problem: describe(origin, problem),
    });
    if (fault !== undefined) return unusable(fault);
    if (origin.kind === "default") {
      return { key, definition, value: definition.default, origin, problem: null };
    }
    // Half a pair or a zero byte is no text: neither a server nor a URL takes it.
    if (typeof written === "string" && (!written.isWellFormed() || written.includes("\0"))) {
      return unusable("must be text without zero bytes");
    }
    const checked = definition.type.check(written);
    if (!("value" in checked)) return unusable(checked.problem);
    const refusal = origin.kind === "file" && raw.file?.found === true ? refusalOf(key, checked.value) : null;
    if (refusal !== null) return unusable(refusal);
    return { key, definition, value: checked.value, origin, problem: null };
  }).map((setting) => (setting.key === "postgresUrl" ? withPassword(setting, raw.secretFiles) : setting))
    .map((setting, _, all) => (setting.key === "clickhouseHttpAddr" ? unlessNearer(setting, all) : setting));
}

/** Whose word counts, the nearest first. */
const NEAREST: readonly Origin["kind"][] = ["flag", "environment", "file", "default"];

/** The address of ClickHouse's HTTP interface, unless somebody nearer says where ClickHouse is. */
function unlessNearer(setting: ResolvedSetting, all: readonly ResolvedSetting[]): ResolvedSetting {
  const rankOf = ({ origin }: ResolvedSetting) => NEAREST.indexOf(origin.kind);
  const address = all.find(({ key }) => key === "clickhouseAddr")!;
  return rankOf(address) < rankOf(setting)
    ? { ...setting, value: null, problem: null, origin: { kind: "default", name: null, file: null } }
    : setting;
}

/** The Postgres URL with the password that stands in a file of its own. */
function withPassword(setting: ResolvedSetting, files: SecretFiles | undefined): ResolvedSetting {
  const file = files?.get("POSTGRES_PASSWORD");
  if (file === undefined || typeof setting.value !== "string" || setting.problem !== null) return setting;
  const problem = file.problem ??
    (parsePostgresUrl(setting.value).password === null
      ? null
      : `contradicts the password in ${setting.origin.name}: set one of them`);
  if (problem !== null) return { ...setting, problem: `${file.name} ${problem}` };
  return { ...setting, value: addPassword(setting.value, file.value) };
}

function addPassword(url: string, password: string): string {
  return `${url}${url.includes("?") ? "&" : "?"}password=${encodeURIComponent(password)}`;
}

/**
 * Secrets that would go where only a file that was found says: one sentence each.
 *
 * @param others Names of variables that hold a password for Postgres outside of its URL.
 */
export function redirectedSecrets(
  resolved: readonly ResolvedSetting[],
  file: SettingsFile | null,
  others: readonly string[],
): readonly string[] {
  if (file?.found !== true) return [];
  const find = (key: SettingKey) => resolved.find((setting) => setting.key === key)!;
  const found = ({ origin }: ResolvedSetting) => origin.kind === "file" && origin.file === file.path;
  const secrets = SENT_TO.flatMap(([secret, place]) => {
    const { origin } = find(secret);
    return found(find(place)) && origin.kind !== "default" && !found(find(secret)) ? [origin.name!] : [];
  });
  return [...secrets, ...(found(find("postgresUrl")) ? others : [])].map((name) =>
    `${name} is sent to the host that ${file.path} names, a file that was found and not named`
  );
}

/**
 * The settings, ready to use.
 *
 * @throws {SettingsError} Naming everything that is wrong, when anything is.
 */
export function checkSettings(resolved: readonly ResolvedSetting[]): Settings {
  const problems = resolved.flatMap(({ problem }) => (problem === null ? [] : [problem]));
  if (problems.length > 0) {
    throw new SettingsError(problems, { hint: "See where each value comes from: outpost config" });
  }
  return Object.fromEntries(resolved.map(({ key, value }) => [key, value])) as unknown as Settings;
}

function find(
  definition: SettingDefinition<unknown>,
  { flags, env, file, secretFiles }: RawSettings,
): [written: unknown, origin: Origin, problem?: string] {
  if (definition.flag !== null && flags.has(definition.flag)) {
    return [flags.get(definition.flag), { kind: "flag", name: `--${definition.flag}`, file: null }];
  }
  if (definition.name === "migrate.only") {
    for (const side of ["sql", "redis"]) {
      if (flags.has(`${side}-only`)) return [side, { kind: "flag", name: `--${side}-only`, file: null }];
    }
  }
  // An empty variable is how containers write "not set".
  const secret = secretFiles?.get(definition.env as FileVariable);
  if (secret !== undefined) {
    const origin: Origin = { kind: "file", name: secret.name, file: secret.path };
    return secret.problem === null ? [secret.value, origin] : [undefined, origin, secret.problem];
  }
  const variable = env[definition.env];
  if (variable !== undefined && variable !== "") {
    return [variable, { kind: "environment", name: definition.env, file: null }];
  }
  const name = file?.kind === "env" ? definition.env : definition.name;
  const written = file?.values.get(name);
  if (file !== null && written !== undefined && written !== "") {
    return [written, { kind: "file", name, file: file.path }];
  }
  return [undefined, { kind: "default", name: null, file: null }];
}

/** Names the place and the rule, never the value: it may be a secret. */
function describe({ kind, name, file }: Origin, problem: string): string {
  return kind === "file" ? `${name} in ${file} ${problem}` : `${name} ${problem}`;
}
