/**
 * The edge of the process: arguments, environment, streams, signals and the exit status. Nothing else touches them.
 *
 * @module
 */

import { InterruptedError } from "./engine/errors.ts";
import { EXIT } from "./cli/output/error_catalogue.ts";
import { dropPermissions } from "./cli/drop_permissions.ts";
import type { Host, StopSignal, TextSink } from "./cli/host.ts";
import { VERSION } from "./cli/version.ts";

const encoder = new TextEncoder();

function sink(stream: typeof Deno.stdout | typeof Deno.stderr): TextSink {
  let broken = false;
  let failure: unknown;
  return {
    terminal: stream.isTerminal(),
    failure: () => failure,
    write(text) {
      for (let rest = encoder.encode(text); rest.length > 0 && !broken;) {
        try {
          rest = rest.subarray(stream.writeSync(rest));
        } catch (error) {
          if (error instanceof Deno.errors.WouldBlock) continue;
          // The reader has gone, as `head` does: what is left to say has no listener, but the work goes on.
          broken = true;
          if (!(error instanceof Deno.errors.BrokenPipe)) failure = error;
        }
      }
    },
  };
}

/** One line of standard input, read byte by byte so that nothing is taken from whoever reads after. */
async function readLine(): Promise<string | null> {
  const bytes: number[] = [];
  const byte = new Uint8Array(1);
  while (true) {
    const count = await Deno.stdin.read(byte);
    if (count === null) return bytes.length === 0 ? null : new TextDecoder().decode(new Uint8Array(bytes));
    if (byte[0] === 10) return new TextDecoder().decode(new Uint8Array(bytes)).replace(/\r$/, "");
    bytes.push(byte[0]!);
  }
}

function columns(): number | null {
  try {
    return Deno.consoleSize().columns || null;
  } catch {
    return null; // No terminal.
  }
}

const STOP: readonly StopSignal[] = ["SIGINT", "SIGTERM"];
const PASSED: readonly Deno.Signal[] = ["SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2", "SIGWINCH"];

function listenForSignals() {
  const controller = new AbortController();
  let stoppedBy: StopSignal | null = null;
  let taken: ((signal: Deno.Signal) => void) | null = null;
  const windows = Deno.build.os === "windows";
  for (const signal of windows ? STOP.slice(0, 1) : STOP) {
    Deno.addSignalListener(signal, () => {
      if (taken !== null) return taken(signal);
      if (stoppedBy !== null) Deno.exit(EXIT[signal]);
      stoppedBy = signal;
      controller.abort(new InterruptedError("Stopped on request", { hint: "Run the same command again" }));
    });
  }
  return {
    signal: controller.signal,
    stoppedBy: () => stoppedBy,
    takeSignals(handler: (signal: Deno.Signal) => void): Disposable {
      taken = handler;
      const listeners = windows ? [] : PASSED.map((signal) => [signal, () => handler(signal)] as const);
      for (const [signal, listener] of listeners) Deno.addSignalListener(signal, listener);
      return {
        [Symbol.dispose]() {
          taken = null;
          for (const [signal, listener] of listeners) Deno.removeSignalListener(signal, listener);
        },
      };
    },
  };
}

/** A rejected promise that nobody awaits, or an exception out of a timer, would else end the process with a stack trace. */
function onFault(handler: (error: unknown) => void): void {
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    handler(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    handler(event.error);
  });
}

/** Clients print warnings of their own, with what servers said in them. */
function onPrinted(handler: (text: string) => void): void {
  const print = (...said: readonly unknown[]) =>
    handler(said.map((part) => typeof part === "string" ? part : Deno.inspect(part)).join(" "));
  Object.assign(globalThis.console, { debug: print, info: print, log: print, warn: print, error: print });
}

function hostname(): string {
  try {
    return Deno.hostname();
  } catch {
    return "unknown";
  }
}

/** How completions call the program: by its own name when compiled, else by way of Deno. They need the environment alone. */
function programWords(): readonly string[] {
  return Deno.build.standalone
    ? [Deno.execPath()]
    : [Deno.execPath(), "run", "--allow-env", "--no-prompt", import.meta.url];
}

function reportsMetrics(): boolean {
  return ["true", "1"].includes(Deno.env.get("OTEL_DENO") ?? "");
}

/** How long a client may hold a process that has come to its end, in milliseconds. */
const LEFT_MS = 2000;

/**
 * Ends the process. Where the runtime reports metrics, and asks for them at that moment, an exit waits for ever for an answer that
 * only its own thread could give: there nothing is left to be done instead, which ends the process too.
 */
function end(status: number): void {
  if (!reportsMetrics()) Deno.exit(status);
  Deno.exitCode = status;
  Deno.unrefTimer(setTimeout(() => Deno.exit(status), LEFT_MS));
}

/**
 * True where the runtime would export metrics so often that it can block itself while modules are loaded: for ever, and deaf to
 * every signal but one.
 */
function standsStill(env: Readonly<Record<string, string | undefined>>): boolean {
  const interval = env.OTEL_METRIC_EXPORT_INTERVAL ?? "";
  return reportsMetrics() && interval !== "" && !(Number(interval) >= 1000);
}

/** Starts the program. */
async function main(): Promise<void> {
  const out = sink(Deno.stdout);
  // Asked by scripts again and again: answered before anything else is loaded.
  if (Deno.args.length === 1 && Deno.args[0] === "--version") {
    out.write(`${VERSION}\n`);
    if (out.failure?.() === undefined) return end(EXIT.done);
  }
  dropPermissions(Deno.args);
  const env = Deno.env.toObject();
  const err = sink(Deno.stderr);
  if (standsStill(env)) {
    err.write(
      "error: OTEL_METRIC_EXPORT_INTERVAL must be 1000 or more: below, the runtime may come to a stand [settings_invalid]\n",
    );
    return end(EXIT.usage);
  }
  const user = env.USER ?? env.USERNAME;
  const host: Host = {
    args: Deno.args,
    env,
    stdout: out,
    stderr: err,
    stdinTerminal: Deno.stdin.isTerminal(),
    readLine,
    columns,
    now: () => new Date(),
    ...listenForSignals(),
    onFault,
    onPrinted,
    owner: { host: hostname(), pid: Deno.pid, ...(user === undefined ? {} : { user }) },
    programFolder: Deno.build.standalone
      ? Deno.execPath().replace(/[/\\][^/\\]*$/, "")
      : import.meta.dirname ?? null,
    programWords: programWords(),
  };
  const { run } = await import("./cli/mod.ts");
  end(await run(host));
}

if (import.meta.main) await main();
