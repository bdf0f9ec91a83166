/**
 * What the binary costs beyond an empty compiled program, as ratios: its size, and the time until a command that asks no store
 * has ended.
 *
 *   deno run -A bench/startup.ts [--runs 30]
 *
 * @module
 */

import { join } from "@std/path";
import { parseArgs } from "node:util";
import { type Compiler, findCompiler, runDeno } from "../tests/integration/shipping/compiler.ts";
import { outcomeOf } from "../tests/integration/shipping/outcome.ts";

/** Commands that end without a store, from the least to the most that they load. */
const COMMANDS: readonly (readonly string[])[] = [["--version"], ["--help"], ["migrate", "apply", "--help"], [
  "config",
]];

/** One line of the result. */
export interface StartupRatio {
  readonly what: string;
  /** The binary's, over the empty program's. */
  readonly ratio: number;
}

/**
 * Compiles both programs and compares them.
 *
 * @param runs Runs of each command; they take turns, so that a busy machine slows both alike. The fastest counts.
 */
export async function measureStartup(compiler: Compiler, runs: number): Promise<StartupRatio[]> {
  const folder = await Deno.makeTempDir({ prefix: "outpost-startup-" });
  try {
    const [source, empty, outpost] = [
      join(folder, "empty.ts"),
      join(folder, "empty"),
      join(folder, "outpost"),
    ];
    await Deno.writeTextFile(source, "");
    await succeed(compiler, [
      "compile",
      "--quiet",
      "--no-config",
      "--no-code-cache",
      "--output",
      empty,
      source,
    ]);
    await succeed(compiler, ["task", "compile", "--output", outpost]);
    const sizes = [outpost, empty].map((path) => Deno.statSync(path).size);
    const ratios: StartupRatio[] = [{ what: "size", ratio: sizes[0]! / sizes[1]! }];
    for (const command of COMMANDS) {
      let [fastest, fastestEmpty] = [Infinity, Infinity];
      for (let i = 0; i < runs; i++) {
        fastestEmpty = Math.min(fastestEmpty, await timeMs(empty, []));
        fastest = Math.min(fastest, await timeMs(outpost, command));
      }
      ratios.push({ what: `start-up, outpost ${command.join(" ")}`, ratio: fastest / fastestEmpty });
    }
    return ratios;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function succeed(compiler: Compiler, args: readonly string[]): Promise<void> {
  const { code, stderr } = await runDeno(compiler, args);
  if (code !== 0) throw new Error(`deno ${args[0]} failed: ${stderr}`);
}

async function timeMs(program: string, args: readonly string[]): Promise<number> {
  const start = performance.now();
  const { code, stderr } = await outcomeOf(program, { args: [...args], clearEnv: true, cwd: "/" });
  if (code !== 0) throw new Error(`outpost ${args.join(" ")} ended with ${code}: ${stderr}`);
  return performance.now() - start;
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { runs: { type: "string", default: "30" } } });
  const compiler = await findCompiler();
  const print = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  if (typeof compiler === "string") {
    print(`Binaries cannot be compiled here: ${compiler}`);
    Deno.exit(1);
  }
  for (const { what, ratio } of await measureStartup(compiler, Number(values.runs))) {
    print(`${what.padEnd(40)} ${ratio.toFixed(2)} x an empty program`);
  }
}
