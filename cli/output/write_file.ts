/**
 * Writes a file that the user named: whole or not at all, for its owner alone, and never through a link that somebody else may
 * have laid.
 *
 * @module
 */

import { FileError } from "../errors.ts";
import { systemReason } from "../system_reason.ts";

/** A plan names tables, keys and values of production: for the owner alone. */
const OWNER_ONLY = 0o600;

/**
 * Writes a text, in place of what the file held.
 *
 * @throws {FileError} When it cannot be written, or something other than a file is there.
 */
export async function writeFile(path: string, text: string): Promise<void> {
  // In the same folder: only so can it take the other's place at once.
  const temporary = `${path}.${crypto.randomUUID().slice(0, 8)}.tmp`;
  try {
    const there = await Deno.lstat(path).catch(ifMissing);
    if (there !== null && !there.isFile) {
      throw there.isDirectory
        ? new Deno.errors.IsADirectory()
        : new NotAFileError(there.isSymlink ? "it is a link" : "it is no ordinary file");
    }
    await Deno.writeTextFile(temporary, text, { createNew: true, mode: OWNER_ONLY });
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw new FileError(`Cannot write "${path}": ${reasonOf(error)}`, {
      cause: error,
      hint: "Name a file in a folder that exists and can be written",
    });
  }
}

class NotAFileError extends Error {}

function ifMissing(error: unknown): null {
  if (error instanceof Deno.errors.NotFound) return null;
  throw error;
}

function reasonOf(error: unknown): string {
  if (error instanceof NotAFileError) return error.message;
  return systemReason(error, { NotFound: "its folder does not exist" });
}
