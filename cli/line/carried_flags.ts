/**
 * What a command that is offered next has to say too, to mean the same stores.
 *
 * @module
 */

import type { ResolvedSetting } from "../settings/resolve.ts";

/**
 * The flags of a command line that say which stores and records are meant: ` --config FILE --sql-only`, empty for none. Secrets
 * are left out; who typed them knows them.
 *
 * @param config Value of `--config`.
 */
export function carriedFlags(resolved: readonly ResolvedSetting[], config: string | undefined): string {
  const words = config === undefined ? [] : ["--config", quoted(config)];
  for (const { definition, origin, value } of resolved) {
    const { secret, takenBy, group, type } = definition;
    if (origin.kind !== "flag" || secret === true || takenBy !== "every" || group === "Output") continue;
    // The name of a switch says its value: `--sql-only`, `--no-redis-tls`.
    if (definition.flag === null) words.push(origin.name!);
    else if (type.placeholder === null) {
      words.push(value === false ? `--no-${definition.flag}` : `--${definition.flag}`);
    } else {
      const shown = type.show(value);
      for (const one of type.repeats === true ? shown.split(",") : [shown]) {
        words.push(`--${definition.flag}`, quoted(one));
      }
    }
  }
  return words.map((word) => ` ${word}`).join("");
}

/** A word as a shell takes it for one. */
export function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
