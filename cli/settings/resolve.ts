/**
 * Settings: a flag counts before the environment, the environment before the file, the file before the default.
 *
 * @module
 */

import { SettingsError } from "../errors.ts";
import { SETTING_KEYS, type SettingDefinition, type SettingKey, SETTINGS, type Settings } from "./table.ts";
import type { SettingsFile } from "./file.ts";

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
    const [written, origin] = find(definition, raw);
    if (origin.kind === "default") {
      return { key, definition, value: definition.default, origin, problem: null };
    }
    const checked = definition.type.check(written);
    return "value" in checked
      ? { key, definition, value: checked.value, origin, problem: null }
      : { key, definition, value: definition.default, origin, problem: describe(origin, checked.problem) };
  });
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

function find(definition: SettingDefinition<unknown>, { flags, env, file }: RawSettings): [unknown, Origin] {
  if (definition.flag !== null && flags.has(definition.flag)) {
    return [flags.get(definition.flag), { kind: "flag", name: `--${definition.flag}`, file: null }];
  }
  if (definition.name === "migrate.only") {
    for (const side of ["sql", "redis"]) {
      if (flags.has(`${side}-only`)) return [side, { kind: "flag", name: `--${side}-only`, file: null }];
    }
  }
  // An empty variable is how containers write "not set".
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
