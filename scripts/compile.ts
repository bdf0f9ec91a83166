/**
 * Makes the binary.
 *
 *   deno task compile                       ./outpost for this machine
 *   deno task compile --output FILE         elsewhere
 *   deno task compile:all                   dist/outpost-OS-ARCH for every target that Deno has, with dist/SHA256SUMS
 *                                           and a bill of materials, dist/outpost.cdx.json
 *
 * The base of the binary is downloaded by Deno. Where that is not possible, DENORT_BIN names one of the same release for this
 * machine.
 *
 * @module
 */

import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type BuildTree, makeBuildTree } from "./build_tree.ts";
import { checksumLine } from "./checksums.ts";
import { PERMISSIONS } from "./permissions.ts";
import { billOfMaterials } from "./sbom.ts";
import { VERSION } from "../cli/version.ts";

/** Deno's targets, and what the binary for each is called. */
export const TARGETS: Readonly<Record<string, string>> = {
  "x86_64-unknown-linux-gnu": "outpost-linux-x64",
  "aarch64-unknown-linux-gnu": "outpost-linux-arm64",
  "x86_64-apple-darwin": "outpost-macos-x64",
  "aarch64-apple-darwin": "outpost-macos-arm64",
  "x86_64-pc-windows-msvc": "outpost-windows-x64.exe",
};

const ROOT = fileURLToPath(new URL("..", import.meta.url));
/** ley finds the steps by listing their folder, so it is embedded as a folder too. */
const STEPS = "migrations/sql/postgres";
/** Values live for the length of a batch: room for more of them at once takes memory and saves no time. bench/redis.ts measures it. */
export const V8_FLAGS = "--v8-flags=--max-semi-space-size=8";

/**
 * Compiles once.
 *
 * @param target One of {@linkcode TARGETS}, or null for this machine.
 */
async function compile(tree: BuildTree, output: string, target: string | null): Promise<void> {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: [
      "compile",
      "--no-check", // The gate has done it.
      "--cached-only",
      "--no-code-cache", // It would be a file of a known name in a folder that everybody may write to.
      `--config=${tree.config}`,
      `--lock=${tree.lock}`,
      ...PERMISSIONS,
      V8_FLAGS,
      `--include=${STEPS}`,
      ...(target === null ? [] : [`--target=${target}`]),
      `--output=${output}`,
      "main.ts",
    ],
    cwd: ROOT,
    env: { DENO_DIR: tree.cache },
    stdin: "null",
    stdout: "inherit",
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot compile ${basename(output)}`);
}

async function main(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: { all: { type: "boolean", default: false }, output: { type: "string" } },
  });
  if (values.all && values.output !== undefined) throw new Error("--all and --output contradict each other");
  if (values.all && Deno.env.get("DENORT_BIN") !== undefined) {
    throw new Error(
      "DENORT_BIN is a base for this machine alone: unset it, so that Deno downloads each target's own",
    );
  }
  const directory = await Deno.makeTempDir({ prefix: "outpost-compile-" });
  try {
    const tree = await makeBuildTree(ROOT, directory);
    if (values.all) await compileAll(tree);
    else await compile(tree, resolve(values.output ?? join(ROOT, defaultName())), null);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function compileAll(tree: BuildTree): Promise<void> {
  const dist = join(ROOT, "dist");
  await Deno.mkdir(dist, { recursive: true });
  const lines: string[] = [];
  for (const [target, name] of Object.entries(TARGETS)) {
    await compile(tree, join(dist, name), target);
    lines.push(await checksumLine(join(dist, name)));
  }
  const bill = billOfMaterials(JSON.parse(await Deno.readTextFile(tree.lock)), {
    program: VERSION,
    deno: Deno.version.deno,
  });
  await Deno.writeTextFile(join(dist, "outpost.cdx.json"), `${JSON.stringify(bill, null, 2)}\n`);
  lines.push(await checksumLine(join(dist, "outpost.cdx.json")));
  await Deno.writeTextFile(join(dist, "SHA256SUMS"), lines.join(""));
}

function defaultName(): string {
  return Deno.build.os === "windows" ? "outpost.exe" : "outpost";
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    await Deno.stderr.write(new TextEncoder().encode(`compile: ${message}\n`));
    Deno.exit(1);
  }
}
