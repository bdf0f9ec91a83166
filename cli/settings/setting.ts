/**
 * What a setting is.
 *
 * @module
 */

import type { SettingType } from "./types.ts";

/** Where a setting stands in help texts. */
export type SettingGroup = "Redis" | "Postgres" | "ClickHouse" | "Scope" | "Lock and pace" | "Output";

/** One setting. */
export interface SettingDefinition<T> {
  /** Path in a YAML file, for example `redis.host`. */
  readonly name: string;
  readonly env: string;
  /** Long flag without dashes, or null where there is none. */
  readonly flag: string | null;
  readonly type: SettingType<T>;
  readonly default: T;
  readonly group: SettingGroup;
  readonly description: string;
  /** Never shown, and removed from whatever is printed. */
  readonly secret?: boolean;
  /** The commands that take it: every one, those that take the lock, run SQL steps, or walk over Redis records. */
  readonly takenBy: SettingTakers;
}

/** Which commands take a setting, and so have its flag and list it in their help. */
export type SettingTakers = "every" | "lock" | "steps" | "walk";

/** Makes one. Every command takes it unless said otherwise. */
export function define<T>(
  [name, env, flag]: readonly [string, string, string | null],
  type: SettingType<T>,
  initial: NoInfer<T>,
  group: SettingGroup,
  description: string,
  more: Partial<Pick<SettingDefinition<T>, "secret" | "takenBy">> = {},
): SettingDefinition<T> {
  return { name, env, flag, type, default: initial, group, description, takenBy: "every", ...more };
}
