/**
 * Runs the command line for tests: within the test's process with captured streams, or as a process of its own.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { InterruptedError } from "../../engine/errors.ts";
import type { Host, StopSignal } from "../../cli/host.ts";
import { run } from "../../cli/mod.ts";
import { inheritedEnv } from "./environment.ts";

/** A configuration file without settings: a test must not find the developer's own. */
export const NO_SETTINGS: string = fromFileUrl(new URL("empty.yaml", import.meta.url));

/** What came of a run. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** How a run within the test's process sees its surroundings. */
export interface CliOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Everything is a terminal, and these are the lines typed. */
  readonly answers?: readonly (string | (() => Promise<string>))[];
  /** Columns of the terminal. */
  readonly columns?: number;
  readonly now?: () => Date;
  /** Called with what was written so far, for tests that act in the middle. */
  readonly onStderr?: (text: string) => void;
  readonly onStdout?: (text: string) => void;
  readonly stop?: AbortSignal;
  readonly stoppedBy?: StopSignal;
  readonly programFolder?: string;
  /** Given what the program does with failures that nothing waited for. */
  readonly onFault?: (fault: (error: unknown) => void) => void;
  /** Given what the program does with what clients print. */
  readonly onPrinted?: (printed: (text: string) => void) => void;
}

/** Runs a command within this process. Fast, and nothing of the test's own environment reaches it. */
export async function runInProcess(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  let stdout = "";
  let stderr = "";
  const terminal = options.answers !== undefined;
  const answers = [...(options.answers ?? [])];
  const controller = new AbortController();
  const stop = () => controller.abort(new InterruptedError("Stopped on request"));
  if (options.stop?.aborted) stop();
  options.stop?.addEventListener("abort", stop, { once: true });
  const host: Host = {
    args,
    env: { CONFIG: NO_SETTINGS, ...options.env },
    stdout: {
      terminal,
      write(text) {
        stdout += text;
        options.onStdout?.(text);
      },
    },
    stderr: {
      terminal,
      write(text) {
        stderr += text;
        options.onStderr?.(text);
      },
    },
    stdinTerminal: terminal,
    readLine: async () => {
      const answer = answers.shift() ?? null;
      return typeof answer === "function" ? await answer() : answer;
    },
    columns: () => options.columns ?? null,
    now: options.now ?? (() => new Date()),
    signal: controller.signal,
    stoppedBy: () => (controller.signal.aborted ? options.stoppedBy ?? "SIGINT" : null),
    onFault: (handler) => options.onFault?.(handler),
    onPrinted: (handler) => options.onPrinted?.(handler),
    takeSignals: () => ({ [Symbol.dispose]() {} }),
    owner: { host: "test-host", pid: 4711 },
    programFolder: options.programFolder ?? null,
    programWords: ["outpost"],
  };
  const code = await run(host);
  options.stop?.removeEventListener("abort", stop);
  return { code, stdout, stderr };
}

/** The program's file. */
export const MAIN: string = fromFileUrl(new URL("../../main.ts", import.meta.url));

/** Words that start the program as a process. */
export const PROGRAM: readonly string[] = [Deno.execPath(), "run", "-A", "--no-check", MAIN];

/** The same as one line for a shell. */
export const PROGRAM_LINE: string = PROGRAM.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");

/** Starts a command as a process of its own, in an environment without settings. */
export function spawnCli(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Deno.ChildProcess {
  const [program, ...words] = PROGRAM;
  return new Deno.Command(program!, {
    args: [...words, ...args],
    clearEnv: true,
    env: { ...inheritedEnv(), ...options.env },
    cwd: options.cwd ?? "/",
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

/** Runs a command as a process of its own and waits for its end. */
export async function runCli(
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<CliResult> {
  const { code, stdout, stderr } = await spawnCli(args, options).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
