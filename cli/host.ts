/**
 * What the process gives to the command line: arguments, environment, streams, clock and signals. `main.ts` makes the
 * real one; tests make their own.
 *
 * @module
 */

/** A stream for text. */
export interface TextSink {
  /** True when a person looks at it. */
  readonly terminal: boolean;
  write(text: string): void;
  /** What kept text from being written, such as a full disk. Undefined where nothing did, and where the reader has gone. */
  failure?(): unknown;
}

/** Signals that end a command. */
export type StopSignal = "SIGINT" | "SIGTERM";

/** The edge of the process. */
export interface Host {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdout: TextSink;
  readonly stderr: TextSink;
  /** True when a person can answer. */
  readonly stdinTerminal: boolean;
  /** Reads one line of standard input, without its end. Null when there is none. */
  readLine(): Promise<string | null>;
  /** Columns of the terminal, or null where there is none. */
  columns(): number | null;
  now(): Date;
  /** Fires with the first SIGINT or SIGTERM; its reason is an `InterruptedError`. The second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Which signal fired, or null. */
  stoppedBy(): StopSignal | null;
  /**
   * Hands every signal that can be caught to the handler instead of stopping, until disposed: for a command that runs
   * another program.
   */
  takeSignals(handler: (signal: Deno.Signal) => void): Disposable;
  /** Told of failures that nothing waited for: faults of the program, which must not end in a stack trace. */
  onFault(handler: (error: unknown) => void): void;
  /** Told of what a client prints by itself, past every stream: it may hold secrets, and what steers a terminal. */
  onPrinted(handler: (text: string) => void): void;
  /** Who runs this, for others to see in the lock. */
  readonly owner: { readonly host: string; readonly pid: number; readonly user?: string };
  /** Folder of the program, to look for others beside it. */
  readonly programFolder: string | null;
  /** Words that start this program again, for the completion scripts. */
  readonly programWords: readonly string[];
}
