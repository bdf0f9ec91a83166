/**
 * The flags that every command accepts, wherever on the command line they stand.
 *
 * @module
 */

import type { CommandSpec, FlagSpec } from "../command.ts";
import { SETTING_KEYS, type SettingKey, SETTINGS } from "../settings/table.ts";
import type { SettingDefinition, SettingTakers } from "../settings/setting.ts";

const takenBy = (takers: SettingTakers): readonly SettingKey[] =>
  SETTING_KEYS.filter((key) => (SETTINGS[key] as SettingDefinition<unknown>).takenBy === takers);

/** Settings that every command takes. */
export const SHARED_SETTINGS: readonly SettingKey[] = takenBy("every");

/** Those of them that a command has a use for: what its help lists and a shell offers. */
export function usefulSettings(
  { needs, ofOne }: Pick<CommandSpec, "needs" | "ofOne">,
): readonly SettingKey[] {
  if (needs === "none") return [];
  return ofOne === true ? SHARED_SETTINGS.filter((key) => key !== "allDeployments") : SHARED_SETTINGS;
}

/** Settings of the commands that take the lock. */
export const LOCK_SETTINGS: readonly SettingKey[] = takenBy("lock");

/** Settings of the commands that run SQL steps. */
export const STEP_SETTINGS: readonly SettingKey[] = takenBy("steps");

/** Settings of the commands that walk over Redis records. */
export const PACE_SETTINGS: readonly SettingKey[] = takenBy("walk");

/** Flags that are no settings. */
export const SHARED_FLAGS: readonly FlagSpec[] = [
  {
    flags: "--sql-only",
    description: "Leave Redis alone, and do not contact it (MIGRATE_ONLY=sql)",
    group: "Scope",
  },
  {
    flags: "--redis-only",
    description: "Leave the SQL stores alone, and do not contact them (MIGRATE_ONLY=redis)",
    group: "Scope",
  },
  {
    flags: "-c, --config <FILE>",
    description: "Configuration file, YAML or .env (CONFIG)",
    default: "the first that exists of .env, .outpost.yaml, config/outpost.yaml, ...",
    group: "Scope",
  },
  { flags: "--json", description: "Write JSON to standard output, and nothing else", group: "Output" },
  { flags: "--verbose", description: "Say more, and log at level debug", group: "Output" },
  { flags: "--quiet", description: "No progress, and log errors alone", group: "Output" },
  {
    flags: "--no-color",
    description: "No colours (NO_COLOR; FORCE_COLOR for the opposite)",
    group: "Output",
  },
];

/** Those of them that a command has a use for. */
export function usefulFlags({ needs }: Pick<CommandSpec, "needs">): readonly FlagSpec[] {
  return needs === "none" ? SHARED_FLAGS.filter(({ group }) => group === "Output") : SHARED_FLAGS;
}
