/**
 * Writes a file that the user named.
 *
 * @module
 */

import { FileError } from "../errors.ts";

/** Writes a text. @throws {FileError} When it cannot be written. */
export async function writeFile(path: string, text: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, text);
  } catch (error) {
    const reason = error instanceof Deno.errors.NotFound
      ? "its folder does not exist"
      : error instanceof Deno.errors.PermissionDenied
      ? "permission denied"
      : error instanceof Deno.errors.IsADirectory
      ? "it is a directory"
      : error instanceof Error
      ? error.name
      : "unknown reason";
    throw new FileError(`Cannot write "${path}": ${reason}`, {
      cause: error,
      hint: "Name a file in a folder that exists and can be written",
    });
  }
}
