/**
 * Released Outposts, built from their source.
 *
 * @module
 */

import { join } from "@std/path";

/** Why a release cannot be had here, in words for the person who asked for it. */
export class MissingReleaseError extends Error {}

/** What a release is made of. */
export interface Release {
  readonly version: string;
  /** The server. */
  readonly server: string;
  /** The program with the migration tool. */
  readonly tool: string;
}

const MODULE = "github.com/hookdeck/outpost";
const PROGRAMS = ["./cmd/outpost-server", "./cmd/outpost"];

/** The version of Go, or null where it is missing. */
export async function goVersion(): Promise<string | null> {
  try {
    return (await run("go", ["version"])).trim();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/**
 * Builds a release.
 *
 * @param checkout A git checkout that has it, or null to ask Go's module proxy.
 * @param folder Where sources and programs may go.
 * @throws {MissingReleaseError} When its source cannot be had.
 */
export async function buildRelease(
  version: string,
  checkout: string | null,
  folder: string,
): Promise<Release> {
  const source = checkout === null
    ? await download(version)
    : await checkOut(version, checkout, join(folder, `source-${version}`));
  const programs = join(folder, version);
  await Deno.mkdir(programs, { recursive: true });
  // What the module proxy gives may not be written to.
  await run("go", ["build", "-mod=readonly", "-o", `${programs}/`, ...PROGRAMS], source);
  return { version, server: join(programs, "outpost-server"), tool: join(programs, "outpost") };
}

async function download(version: string): Promise<string> {
  try {
    return JSON.parse(await run("go", ["mod", "download", "-json", `${MODULE}@${version}`])).Dir;
  } catch (error) {
    throw new MissingReleaseError(
      `Go's module proxy does not give ${MODULE}@${version}: name a checkout that has it with OUTPOSTS_CHECKOUT`,
      { cause: error },
    );
  }
}

async function checkOut(version: string, checkout: string, to: string): Promise<string> {
  try {
    await run("git", ["clone", "--quiet", "--shared", "--branch", version, checkout, to]);
    return to;
  } catch (error) {
    throw new MissingReleaseError(`The checkout ${checkout} has no tag or branch ${version}`, {
      cause: error,
    });
  }
}

/** Runs a program to its end. @throws {Error} With what it said, when it fails. */
export async function run(program: string, args: readonly string[], cwd?: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...args],
    ...(cwd === undefined ? {} : { cwd }),
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`${program} ${args[0]}: ${text.decode(stderr) || text.decode(stdout)}`);
  return text.decode(stdout);
}
