/**
 * What a configuration file may do that was found rather than named. Whoever prepared the folder wrote it: a repository that was
 * cloned, an archive that was unpacked, another user of the machine.
 *
 * @module
 */

import { FileError } from "../errors.ts";
import type { SettingKey } from "./table.ts";

function nameItHint(path: string): string {
  return `If it is yours, name it: outpost --config ${path}, or CONFIG=${path}`;
}

/**
 * Makes sure that nobody but this user and root could have written a file that was found.
 *
 * @throws {FileError} When it belongs to somebody else, or somebody else may write to it.
 */
export function assertOwn(path: string, { uid, mode }: Pick<Deno.FileInfo, "uid" | "mode">): void {
  // Windows has neither.
  if (uid === null || mode === null) return;
  const own = ownUid();
  if (own !== null && uid !== own && uid !== 0) {
    throw new FileError(
      `Cannot trust the configuration file "${path}", which was found and not named: it belongs to another user`,
      { hint: nameItHint(path) },
    );
  }
  if ((mode & 0o022) !== 0) {
    throw new FileError(
      `Cannot trust the configuration file "${path}", which was found and not named: others may write to it`,
      { hint: `Take the right away: chmod go-w ${path}. ${nameItHint(path)}` },
    );
  }
}

function ownUid(): number | null {
  try {
    return Deno.uid();
  } catch {
    return null; // Not permitted to know: then only that nobody else may write counts.
  }
}

/** What makes a connection or the gate weaker, and the value that does not. */
const WEAKENING: Partial<Record<SettingKey, unknown>> = {
  redisTlsInsecure: false,
  redisTlsCa: null,
  only: null,
};

/** Why a value of a file that was found is not taken, or null. */
export function refusalOf(key: SettingKey, value: unknown): string | null {
  if (!(key in WEAKENING) || WEAKENING[key] === value) return null;
  return "is not taken from a file that was found and not named: it weakens TLS or narrows what is checked. " +
    "Name the file with --config, or set it in the environment";
}

/** Secrets, and what decides where they are sent. */
export const SENT_TO: readonly (readonly [secret: SettingKey, place: SettingKey])[] = [
  ["redisPassword", "redisHost"],
  ["clickhousePassword", "clickhouseAddr"],
  ["clickhousePassword", "clickhouseHttpAddr"],
];
