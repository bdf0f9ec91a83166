/**
 * A runner: starts commands of the program, within this process or as processes of their own, and does to them what
 * machines and networks do.
 *
 * @module
 */

import { type Answer, parseObjects } from "./answer.ts";
import type { Gate } from "./faults/gate.ts";
import { onHost } from "./faults/host_clock.ts";
import { Link } from "./faults/link.ts";
import { runInProcess, spawnCli } from "../support/cli.ts";

/** A command to start. */
export interface Command {
  /** Words after `outpost`, without where the stores are. */
  readonly words: readonly string[];
  readonly deployment: string;
  /** As a process of its own: slower to start, and can be killed for real. */
  readonly process: boolean;
  /** How far the clock of its host is ahead of all others, in milliseconds; none of a process. */
  readonly aheadMs?: number;
  /** Lines to type, for commands that ask, each when it is asked for. */
  readonly answers?: readonly (() => Promise<string>)[];
}

/** Where the stores are, seen through a link. */
export interface Stores {
  /** What they speak. */
  readonly protocol: "redis" | "postgres";
  /** Ports of the servers on 127.0.0.1. */
  readonly ports: readonly number[];
  /** Where what was at a port is now, after a failover. */
  targetOf(port: number): number;
  /** Environment that leads to them. @param host The address of the runner's own. */
  env(host: string): Record<string, string>;
}

interface Work {
  readonly link: Link;
  readonly command: Command;
  readonly end: Promise<Answer | null>;
  readonly stop: AbortController;
  readonly child: Deno.ChildProcess | null;
  frozenAt: number | null;
  readonly standstills: (readonly [from: number, to: number])[];
}

/** One of those who run the program. */
export class Runner {
  readonly #gate: Gate;
  readonly #stores: Stores;
  readonly #done: (answer: Answer) => void;
  readonly #refusals: boolean;
  #work: Work | null = null;

  /**
   * @param refusals Whether its commands are ever refused, which takes a network that understands them.
   * @param done Told of every command that came to its end.
   */
  constructor(gate: Gate, stores: Stores, refusals: boolean, done: (answer: Answer) => void) {
    this.#gate = gate;
    this.#stores = stores;
    this.#refusals = refusals;
    this.#done = done;
  }

  /** True while a command runs. */
  get busy(): boolean {
    return this.#work !== null;
  }

  /** True while a process of its own runs, which takes its time to start. */
  get slow(): boolean {
    return this.#work?.child != null && this.#work.frozenAt === null;
  }

  /** Since when it has been at a standstill, in Unix milliseconds; null while it is not. */
  get frozenAt(): number | null {
    return this.#work?.frozenAt ?? null;
  }

  /** True while a command runs that has not been brought to a standstill. */
  get moving(): boolean {
    return this.#work !== null && this.#work.frozenAt === null;
  }

  /** Starts a command. The one before must have ended. */
  start(command: Command): void {
    const { ports, protocol } = this.#stores;
    const targetOf = (port: number) => this.#stores.targetOf(port);
    const link = new Link(this.#gate, ports, targetOf, this.#refusals ? protocol : null);
    const stop = new AbortController();
    const env = { ...this.#stores.env(link.host), DEPLOYMENT_ID: command.deployment };
    const child = command.process ? spawnCli(command.words, { env }) : null;
    const startedAt = Date.now();
    const running = child === null
      ? onHost(command.aheadMs ?? 0, () =>
        runInProcess(command.words, {
          env,
          stop: stop.signal,
          ...(command.answers === undefined ? {} : { answers: command.answers }),
        }))
      : outputOf(child);
    const end = running.then(async ({ code, stdout, stderr }): Promise<Answer | null> => {
      await link[Symbol.asyncDispose]();
      if (this.#work !== work) return null; // It was killed: nobody hears what it has to say.
      this.#work = null;
      const answer: Answer = {
        words: command.words,
        deployment: command.deployment,
        code,
        objects: parseObjects(stdout),
        stderr,
        startedAt,
        endedAt: Date.now(),
        standstills: work.standstills,
      };
      this.#done(answer);
      return answer;
    });
    const work: Work = { link, command, end, stop, child, frozenAt: null, standstills: [] };
    this.#work = work;
  }

  /** Waits until the command has ended, or for so long. @returns Null when it has not, or there is none. */
  async ended(patienceMs: number): Promise<Answer | null> {
    const work = this.#work;
    if (work === null) return null;
    const late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), patienceMs);
    try {
      return await Promise.race([work.end, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** As SIGKILL: of a command within this process its network is taken away for good. */
  kill(): void {
    const work = this.#work;
    if (work === null) return;
    this.#work = null;
    work.link.close();
    signal(work.child, "SIGCONT");
    signal(work.child, "SIGKILL");
    work.stop.abort();
    work.end.catch(() => {});
  }

  /** As SIGINT. */
  interrupt(): void {
    this.#work?.stop.abort();
    signal(this.#work?.child ?? null, "SIGINT");
  }

  /** Brings it to a standstill: a process by SIGSTOP, else its network. */
  freeze(): void {
    const work = this.#work;
    if (work === null) return;
    work.frozenAt ??= Date.now();
    if (work.child === null) work.link.freeze();
    else signal(work.child, "SIGSTOP");
  }

  /** Lets it go on. */
  thaw(): void {
    const work = this.#work;
    if (work === null || work.frozenAt === null) return;
    work.standstills.push([work.frozenAt, Date.now()]);
    work.frozenAt = null;
    if (work.child === null) work.link.thaw();
    else signal(work.child, "SIGCONT");
  }

  /** The network of the command that runs. */
  get link(): Link | null {
    return this.#work?.link ?? null;
  }
}

async function outputOf(child: Deno.ChildProcess) {
  const { code, signal, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return {
    code: signal === null ? code : null,
    stdout: decoder.decode(stdout),
    stderr: decoder.decode(stderr),
  };
}

function signal(child: Deno.ChildProcess | null, name: Deno.Signal): void {
  try {
    child?.kill(name);
  } catch {
    // It has ended already.
  }
}

/**
 * Takes failures that nothing waited for away from the process, which they would end.
 *
 * @param report Told of each.
 */
export function catchFaults(report: (error: unknown) => void): Disposable {
  const onRejection = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    report(event.reason);
  };
  const onError = (event: ErrorEvent) => {
    event.preventDefault();
    report(event.error);
  };
  globalThis.addEventListener("unhandledrejection", onRejection);
  globalThis.addEventListener("error", onError);
  return {
    [Symbol.dispose]() {
      globalThis.removeEventListener("unhandledrejection", onRejection);
      globalThis.removeEventListener("error", onError);
    },
  };
}
