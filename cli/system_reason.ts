/**
 * Why the system would not open, write or start something.
 *
 * @module
 */

/**
 * A reason for people, such as `permission denied` or `read-only file system`: the system's own words where there are no better
 * ones, without the path that it names.
 *
 * @param words By the name of an error class of Deno, what it means here.
 */
export function systemReason(error: unknown, words: Readonly<Record<string, string>> = {}): string {
  if (!(error instanceof Error)) return "unknown reason";
  // What it opens only where everything is permitted: standard input, and what the system shows as files.
  if (error.message.startsWith("Requires all access")) {
    return "it is a special file, which Deno does not open";
  }
  const said = /([^:]+) \(os error \d+\)/.exec(error.message)?.[1]?.trim();
  return words[error.name] ?? WORDS[error.name] ?? (said === undefined ? error.name : lowered(said));
}

const WORDS: Readonly<Record<string, string>> = {
  NotFound: "it does not exist",
  PermissionDenied: "permission denied",
  IsADirectory: "it is a directory",
  NotOrdinaryError: "it is no ordinary file",
  NotCapable: "Deno was not given the permission",
};

function lowered(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
