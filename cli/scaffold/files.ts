/**
 * Reads and writes the files of a checkout that a new migration touches.
 *
 * @module
 */

import { dirname } from "@std/path";
import { FileError } from "../errors.ts";
import { systemReason } from "../system_reason.ts";
import type { Scaffold } from "./scaffold.ts";

/** @throws {FileError} When the working directory is no checkout. */
export async function readList(path: string): Promise<string> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    throw new FileError(`Cannot find "${path}" here`, {
      cause: error,
      hint: "Run this in the root of a checkout of the project",
    });
  }
}

/** Writes everything or nothing: no file that is there is overwritten. @throws {FileError} When one is, or cannot be written. */
export async function writeScaffold({ created, changed }: Scaffold): Promise<void> {
  for (const { path } of created) {
    if (await Deno.stat(path).then(() => true, () => false)) {
      throw new FileError(`Cannot write "${path}": it is there already`, {
        hint: "Choose another name, or delete the file",
      });
    }
  }
  try {
    for (const { path, text } of created) {
      await Deno.mkdir(dirname(path), { recursive: true });
      await Deno.writeTextFile(path, text, { createNew: true });
    }
    await Deno.writeTextFile(changed.path, changed.text);
  } catch (error) {
    throw new FileError(`Cannot write the new migration: ${systemReason(error)}`, {
      cause: error,
      hint: "See whether this folder can be written; delete what was written before trying again",
    });
  }
}
