/**
 * An existing project of ley as the Postgres side of an engine: its files are the steps, and its table says what is applied.
 *
 * @module
 */

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { isAbsolute } from "node:path";
import { pathToFileURL } from "node:url";
import { shown } from "../check_options.ts";
import { RefusedError, RegistryError } from "../errors.ts";
import { hint } from "../hint.ts";
import { listThroughLey } from "../sql/ley.ts";
import type { SqlStep, StepModule, StepRunner } from "../sql/step.ts";
import { toldError } from "../told_error.ts";
import type { SchemaObjects } from "./schema_objects.ts";

/** A project of ley, for `createRegistry({ postgres })` and the names of its bookkeeping. */
export interface LeyProject {
  /** In ley's order, from version 1. */
  readonly steps: readonly StepModule[];
  /** The folder. */
  readonly directory: string;
  /** One for each step, all empty: what ley's files should leave nobody wrote down, and nothing is compared. */
  readonly schemas: readonly SchemaObjects[];
  /** Names of the files, in order: as ley's table has them. */
  readonly files: readonly string[];
}

/** What a file of ley exports. */
interface LeyModule {
  readonly up?: (client: unknown) => unknown;
  readonly down?: (client: unknown) => unknown;
}

/**
 * Reads a project that ley has migrated until now, and may go on migrating: files and table stay ley's.
 *
 * Files are code: a plan shows their text, and their checksum is taken over it. Each gets the connection of its transaction,
 * which it uses as `sql` and `sql.unsafe`. It commits together with its record.
 *
 * @param directory Absolute path of the folder that holds the files and nothing else.
 * @throws {RegistryError} When that is no absolute path of a folder, which would have files run that are no steps, when the folder is
 * empty, and when a file exports no `up`.
 */
export async function readLeyProject(directory: string): Promise<LeyProject> {
  const cannot = `Cannot use ${shown(directory)} as a project of ley`;
  if (typeof directory !== "string" || !isAbsolute(directory)) {
    throw new RegistryError(`${cannot}: it is no absolute path`);
  }
  const found = await listThroughLey(directory).catch((error) => {
    throw new RegistryError(`${cannot}: ${toldError(error)}`, { cause: error });
  });
  if (found.length === 0) {
    throw new RegistryError(`${cannot}: it has no files`);
  }
  const steps = await Promise.all(found.map(async ({ name, abs }, index) => {
    const module = await load(abs);
    if (module.up === undefined) throw new RegistryError(`Cannot use "${abs}": it exports no up`);
    return moduleOf(stepOf(name, index + 1, await readFile(abs, "utf8")), module);
  }));
  return { steps, directory, schemas: steps.map(() => []), files: found.map(({ name }) => name) };
}

/** As ley does: a module, or else what a CommonJS file exports. */
async function load(path: string): Promise<LeyModule> {
  try {
    const module = await import(pathToFileURL(path).href);
    return module.default ?? module;
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    return createRequire(path)(path);
  }
}

function stepOf(file: string, version: number, text: string): SqlStep {
  return {
    version,
    file,
    name: file.replace(/\.[cm]?[jt]s$/, ""),
    description: `Runs ${file}`,
    transactional: true,
    up: [{ text }],
    down: [{ text }],
    forecast: () => ({ tables: [], consequences: [] }),
    forecastDown: () => ({
      tables: [],
      consequences: [],
      warnings: [{ text: `What ${file} cannot bring back it does not say`, rows: null }],
    }),
  };
}

function moduleOf(step: SqlStep, { up, down }: LeyModule): StepModule {
  const through = (way: LeyModule["up"]) => async ({ lend }: StepRunner): Promise<void> => {
    if (way === undefined) {
      throw new RefusedError(`Cannot take ${step.file} back: it exports no down`, {
        hint: hint`Undo by hand what it did, then set the version: ${"force VERSION"}`,
      });
    }
    if (lend === undefined) {
      throw new RefusedError(`Cannot run ${step.file}: it needs a connection to Postgres`);
    }
    await lend(async (client) => void await way(client));
  };
  return { step, up: through(up), down: through(down) };
}
