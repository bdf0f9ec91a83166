/**
 * Runs one SQL step through ley, which decides from the folder of steps and the names already applied what comes next. The
 * driver is ours: it opens and closes nothing, and takes the modules from the registry instead of importing files.
 *
 * @module
 */

import { down, up } from "ley";
import { join } from "@std/path";
import { RegistryError } from "../errors.ts";

/** What one run of ley needs. */
export interface LeyRun {
  readonly direction: "up" | "down";
  /** Folder of the step files, or null where there is none: then the names alone are laid out in a temporary one. */
  readonly directory: string | null;
  /** Names of all step files, in order. */
  readonly files: readonly string[];
  /** How many of them are applied. */
  readonly applied: number;
  /** The file that the caller expects to be next. */
  readonly expected: string;
  /** Runs a step by its file name and records it. */
  readonly run: (file: string) => Promise<void>;
}

/**
 * Runs the next step, or takes the last one back.
 *
 * @throws {RegistryError} When the folder and the registry disagree on what is next. Nothing has run then.
 */
export async function runThroughLey(options: LeyRun): Promise<void> {
  if (options.directory !== null) return await runIn(options.directory, options);
  const directory = await Deno.makeTempDir({ prefix: "migration-steps-" });
  try {
    for (const file of options.files) await Deno.writeTextFile(join(directory, file), "");
    await runIn(directory, options);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function runIn(
  directory: string,
  { direction, files, applied, expected, run }: LeyRun,
): Promise<void> {
  const driver = {
    connect: () => ({}),
    setup: () => Promise.resolve(files.slice(0, applied).map((name) => ({ name }))),
    async loop(_client: unknown, found: readonly { readonly name: string }[]): Promise<void> {
      const names = found.map(({ name }) => name);
      if (names.length !== 1 || names[0] !== expected) {
        throw new RegistryError(
          `Cannot run "${expected}": the folder of steps has ${
            names.map((name) => `"${name}"`).join(", ")
          } next`,
          { hint: "Only the files of the released steps belong into that folder" },
        );
      }
      await run(expected);
    },
    end: () => {},
  };
  // The declarations of ley ask for a class, its code for four functions.
  const options = { cwd: directory, dir: ".", driver: driver as never, config: {}, single: true };
  const ran = await (direction === "up" ? up(options) : down(options));
  if (ran.length !== 1) {
    throw new RegistryError(`Cannot run "${expected}": the folder of steps has nothing left to run`);
  }
}
