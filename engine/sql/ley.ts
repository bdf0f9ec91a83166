/**
 * Lets ley say what runs: from the files in the folder of steps, and the names already applied, it hands over the list of what
 * is next, once for a whole run. The driver is ours: it opens and closes nothing, and runs the modules of the registry.
 *
 * @module
 */

import { down, up } from "ley";
import { RegistryError } from "../errors.ts";
import { type SqlStep, stepFileName } from "./step.ts";

/** What a run asks of ley. */
export interface LeyRun {
  readonly direction: "up" | "down";
  /** Folder of the step files, or null where there is none: then the order is the registry's, which is checked already. */
  readonly directory: string | null;
  /** All steps, in order. */
  readonly steps: readonly Pick<SqlStep, "version" | "name" | "file">[];
  /** The versions to run, in the order in which they run: the next ones up, or the newest ones down. */
  readonly versions: readonly number[];
  /** Runs a step by its version and records it. */
  readonly run: (version: number) => Promise<void>;
}

/** A file that ley found. */
export interface FoundFile {
  readonly name: string;
  /** Its absolute path. */
  readonly abs: string;
}

/**
 * Runs what ley hands over.
 *
 * @throws {RegistryError} When the folder and the registry disagree on what is next. Nothing has run then.
 */
export async function runThroughLey({ direction, directory, steps, versions, run }: LeyRun): Promise<void> {
  const [first] = versions;
  if (first === undefined) return;
  if (directory === null) {
    for (const version of versions) await run(version);
    return;
  }
  const files = steps.map(stepFileName);
  const applied = files.slice(0, direction === "up" ? first - 1 : first);
  const expected = versions.map((version) => files[version - 1]!);
  const handed = await askLey(directory, direction, applied, async (found) => {
    // A run that is not to go all the way takes the beginning of what is handed over.
    const names = found.slice(0, expected.length).map(({ name }) => name);
    if (names.join("\0") !== expected.join("\0")) {
      throw new RegistryError(
        `Cannot run ${quoted(expected)}: the folder of steps has ${quoted(names)} next`,
        {
          hint: "Only the files of the released steps belong into that folder",
        },
      );
    }
    for (const name of names) await run(files.indexOf(name) + 1);
  });
  if (!handed) {
    throw new RegistryError(`Cannot run ${quoted(expected)}: the folder of steps has nothing left to run`);
  }
}

/** The files of a folder as ley finds and orders them. */
export async function listThroughLey(directory: string): Promise<readonly FoundFile[]> {
  let files: readonly FoundFile[] = [];
  await askLey(directory, "up", [], (found) => Promise.resolve(void (files = found)));
  return files;
}

/** @returns False when ley found nothing to hand over. */
async function askLey(
  directory: string,
  direction: "up" | "down",
  applied: readonly string[],
  take: (files: readonly FoundFile[]) => Promise<void>,
): Promise<boolean> {
  const driver = {
    connect: () => ({}),
    setup: () => Promise.resolve(applied.map((name) => ({ name }))),
    loop: (_client: unknown, files: readonly FoundFile[]) => take(files),
    end: () => {},
  };
  // The declarations of ley ask for a class, its code for four functions.
  const options = { cwd: directory, dir: ".", driver: driver as never, config: {} };
  const handed = await (direction === "up" ? up(options) : down({ ...options, all: true }));
  return handed.length > 0;
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(", ");
}
