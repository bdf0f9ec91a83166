/**
 * Finds out whether and how binaries can be compiled on this machine.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { outcomeOf } from "./outcome.ts";

/** Folder of the project. */
export const ROOT = fromFileUrl(new URL("../../..", import.meta.url));

/** A Deno with a base for binaries. */
export interface Compiler {
  /** The command that runs this Deno, and the environment it needs. */
  readonly deno: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Tries, in this order: Deno 2.4.2 with the base that DENORT_BIN names or that a script beside the checkout provides (it is of
 * that release); the Deno at work with the base that it downloads.
 *
 * @returns Why binaries cannot be compiled here, when none of them works.
 */
export async function findCompiler(): Promise<Compiler | string> {
  const reasons: string[] = [];
  const base = Deno.env.get("DENORT_BIN") || await providedBase();
  const candidates: Compiler[] = [
    ...(base === null ? [] : [{
      deno: [join(ROOT, "dev"), "deno"],
      env: { DENO_VERSION: "2.4.2", DENORT_BIN: base },
    }]),
    { deno: [Deno.execPath()], env: {} },
  ];
  for (const candidate of candidates) {
    const problem = await tryOut(candidate);
    if (problem === null) return candidate;
    reasons.push(problem);
  }
  return reasons.join("; ");
}

/** Runs a compiler's Deno in the folder of the project. */
export function runDeno({ deno: [command, ...first], env }: Compiler, args: readonly string[]) {
  // What Deno prints is compared, and it colours its own output also where nobody looks.
  return outcomeOf(command!, { args: [...first, ...args], cwd: ROOT, env: { ...env, NO_COLOR: "1" } });
}

async function providedBase(): Promise<string | null> {
  const script = join(ROOT, "../shared/tools/denort");
  try {
    const { code, stdout } = await outcomeOf(script, {});
    return code === 0 ? stdout.trim() : null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** Compiles an empty program and runs it. @returns What went wrong, or null. */
async function tryOut(compiler: Compiler): Promise<string | null> {
  const directory = await Deno.makeTempDir({ prefix: "outpost-base-" });
  try {
    const [source, output] = [join(directory, "empty.ts"), join(directory, "empty.exe")];
    await Deno.writeTextFile(source, "");
    const compiled = await runDeno(compiler, [
      "compile",
      "--quiet",
      "--no-config",
      "--output",
      output,
      source,
    ]);
    if (compiled.code !== 0) return `no base for binaries: ${lastLine(compiled.stderr)}`;
    const { code, stderr } = await outcomeOf(output, {});
    return code === 0 ? null : `the base does not run: ${lastLine(stderr)}`;
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

/** The innermost cause that Deno names, or the last line of all. */
function lastLine(text: string): string {
  const lines = text.trim().split("\n").map((line) => line.trim());
  const causes = lines.slice(lines.indexOf("Caused by:") + 1, lines.indexOf("", lines.indexOf("Caused by:")));
  return (causes.at(-1) ?? lines.at(-1) ?? "").replace(/^\d+: /, "");
}
