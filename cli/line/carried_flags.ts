/**
 * What a command that is offered next has to say too, to mean the same stores.
 *
 * @module
 */

import { HIDDEN } from "../output/scrub.ts";
import type { ResolvedSetting } from "../settings/resolve.ts";
import { shownValue } from "../settings/shown_value.ts";

/**
 * The flags of a command line that say which stores and records are meant: ` --config FILE --sql-only`, empty for none. In
 * the place of a secret stands `[hidden]`: who typed it puts it in. Without the flag, the line would mean what the environment names.
 *
 * @param config Value of `--config`.
 * @param flags What was written, by long flag without dashes.
 */
export function carriedFlags(
  resolved: readonly ResolvedSetting[],
  config: string | undefined,
  flags: ReadonlyMap<string, unknown>,
): string {
  const words = config === undefined ? [] : ["--config", quoted(config)];
  for (const setting of resolved) {
    const { definition, origin, value } = setting;
    const { takenBy, group, type } = definition;
    if (origin.kind !== "flag" || takenBy !== "every" || group === "Output") continue;
    // The name of a switch says its value: `--sql-only`, `--no-redis-tls`.
    if (definition.flag === null) words.push(origin.name!);
    else if (type.placeholder === null) {
      words.push(value === false ? `--no-${definition.flag}` : `--${definition.flag}`);
    } else {
      const shown = typedAgain(setting, flags);
      for (const one of type.repeats === true ? shown.split(",") : [shown]) {
        words.push(`--${definition.flag}`, quoted(one));
      }
    }
  }
  return words.map((word) => ` ${word}`).join("");
}

/** A value as it is typed once more. A password that stands in a file of its own is added to the URL again, and is not typed. */
function typedAgain(setting: ResolvedSetting, flags: ReadonlyMap<string, unknown>): string {
  const { key, definition, problem } = setting;
  // Nobody knows where the password stands in what was not understood.
  if (problem !== null) return HIDDEN;
  const value = key === "postgresUrl" ? flags.get(definition.flag!) : setting.value;
  const shown = shownValue({ ...setting, value });
  return shown.includes(HIDDEN) ? shown : definition.type.show(value);
}

/** A word as a shell takes it for one. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
