/**
 * The network between one runner and the servers: a loopback address of the runner's own, on which every server answers at
 * its own port. So a cluster's nodes are reached through it too, and what is done to it is done to this runner alone.
 *
 * @module
 */

import type { PostgresErrorCode, RedisErrorCode } from "../../support/faults/fault.ts";
import { type FaultProxy, startFaultProxy } from "../../support/faults/fault_proxy.ts";
import type { Gate } from "./gate.ts";

/** Answers that lead to another node, or to a later time. */
const REDIRECTIONS: ReadonlySet<string> = new Set(["ASK", "MOVED", "TRYAGAIN"]);
/** Commands by which a client gets to know a server; none has a key. */
const INTRODUCTIONS: ReadonlySet<string> = new Set(["HELLO", "INFO", "CLIENT", "CLUSTER", "ASKING"]);

/** Addresses of this process: others may run at the same time. */
let addresses = 0;
const BLOCK = 2 + Deno.pid % 250;

function nextAddress(): string {
  addresses++;
  return `127.${BLOCK}.${(addresses >> 8) & 255}.${addresses & 255}`;
}

interface Pair {
  readonly client: Deno.Conn;
  readonly server: Deno.Conn;
}

/** What becomes of the next answer. */
type NextReply = "whole" | "half" | "lost";

/** What happens when a certain command comes by. */
interface Aim {
  readonly when: "coming" | "passing";
  readonly texts: readonly Uint8Array[];
  readonly act: () => void;
  /** How many such commands go by before. */
  left: number;
}

/** A runner's network. */
export class Link implements AsyncDisposable {
  readonly host: string = nextAddress();
  readonly #gate: Gate;
  readonly #targetOf: (port: number) => number;
  readonly #listeners: Deno.Listener[];
  readonly #pairs = new Set<Pair>();
  readonly #ended: Promise<unknown>;
  #thawed: PromiseWithResolvers<void> | null = null;
  #nextReply: NextReply = "whole";
  #aim: Aim | null = null;
  #closed = false;
  readonly #protocol: "redis" | "postgres" | null;
  /** Between this network and the servers: what answers in their place. */
  readonly #refusers = new Map<string, FaultProxy>();
  #refusal: { readonly code: RedisErrorCode | PostgresErrorCode; left: number } | null = null;

  /**
   * @param ports Where the servers are said to be, on 127.0.0.1.
   * @param targetOf Where they are, as a name leads elsewhere after a failover. Asked for each connection.
   * @param protocol Which protocol it understands, so that commands can be refused; null where none is to be.
   */
  constructor(
    gate: Gate,
    ports: readonly number[],
    targetOf: (port: number) => number,
    protocol: "redis" | "postgres" | null = null,
  ) {
    this.#gate = gate;
    this.#protocol = protocol;
    this.#targetOf = targetOf;
    this.#listeners = ports.map((port) => Deno.listen({ hostname: this.host, port }));
    this.#ended = Promise.all(this.#listeners.map((listener, i) => this.#accept(listener, ports[i]!)));
  }

  /** Drops every connection at once. New ones work. */
  cut(): void {
    for (const pair of [...this.#pairs]) this.#drop(pair);
  }

  /** The next answer arrives in half, or not at all, and its connection ends: the command was done all the same. */
  spoilNextReply(how: "half" | "lost"): void {
    this.#nextReply = how;
  }

  /** The next commands are not done, but answered with an error, as by a server. */
  refuse(code: RedisErrorCode | PostgresErrorCode, times: number): void {
    this.#refusal = { code, left: times };
  }

  /**
   * Does something about the next command with any of these texts in it: when it comes, or before it is passed on, when all that
   * came before it was.
   *
   * @param after How many such commands go by before.
   */
  aim(when: "coming" | "passing", texts: readonly string[], act: () => void, after = 0): void {
    this.#aim = { when, texts: texts.map((text) => new TextEncoder().encode(text)), act, left: after };
  }

  /** True while something waits for a command that was not sent yet. */
  get aimed(): boolean {
    return this.#aim !== null;
  }

  /** Nothing moves any more, in either direction, until {@linkcode thaw}. */
  freeze(): void {
    this.#thawed ??= Promise.withResolvers<void>();
  }

  /** What was sent meanwhile arrives now. */
  thaw(): void {
    this.#thawed?.resolve();
    this.#thawed = null;
  }

  /** Drops every connection for good: for the servers, the runner is dead. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.thaw();
    for (const listener of this.#listeners) listener.close();
    this.cut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
    await this.#ended;
    for (const refuser of this.#refusers.values()) await refuser[Symbol.asyncDispose]();
  }

  async #accept(listener: Deno.Listener, port: number): Promise<void> {
    const serving: Promise<void>[] = [];
    try {
      for await (const client of listener) serving.push(this.#serve(client, port));
    } catch {
      // The listener was closed while it waited.
    }
    await Promise.allSettled(serving);
  }

  async #serve(client: Deno.Conn, port: number): Promise<void> {
    let server: Deno.Conn;
    try {
      await this.#thawed?.promise;
      server = await Deno.connect({ hostname: "127.0.0.1", port: this.#nextHop(port) });
    } catch {
      return closeQuietly(client);
    }
    const pair: Pair = { client, server };
    this.#pairs.add(pair);
    if (this.#closed) return this.#drop(pair);
    await Promise.race([this.#pump(pair, "ask"), this.#pump(pair, "answer")]);
    this.#drop(pair);
  }

  /** The port of what is behind this network: a server, or what refuses in its place. */
  #nextHop(port: number): number {
    const target = this.#targetOf(port);
    if (this.#protocol === null) return target;
    const name = `${port} ${target}`;
    let refuser = this.#refusers.get(name);
    if (refuser === undefined) {
      refuser = startFaultProxy({
        protocol: this.#protocol,
        target,
        elsewhere: `${this.host}:${port}`,
        decide: ({ name }) => this.#takeRefusal(name),
      });
      this.#refusers.set(name, refuser);
    }
    return refuser.port;
  }

  #takeRefusal(
    name: string,
  ): { readonly type: "error"; readonly code: RedisErrorCode | PostgresErrorCode } | null {
    const refusal = this.#refusal;
    if (refusal === null || refusal.left <= 0) return null;
    // No server sends on what has no key: a client that is sent on when it connects leaves the failure to nobody.
    if (INTRODUCTIONS.has(name) && REDIRECTIONS.has(refusal.code)) return null;
    refusal.left--;
    return { type: "error", code: refusal.code };
  }

  async #pump(pair: Pair, direction: "ask" | "answer"): Promise<void> {
    const [from, to] = direction === "ask" ? [pair.client, pair.server] : [pair.server, pair.client];
    const buffer = new Uint8Array(65_536);
    try {
      for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
        const aim = direction === "ask" ? this.#takeAim(buffer.subarray(0, count)) : null;
        if (aim?.when === "coming") aim.act();
        if (direction === "ask") await this.#gate.pass();
        await this.#thawed?.promise;
        if (aim?.when === "passing") aim.act();
        const spoilt = direction === "answer" ? this.#nextReply : "whole";
        if (spoilt !== "whole") this.#nextReply = "whole";
        const part = spoilt === "whole" ? count : spoilt === "half" ? count >> 1 : 0;
        for (let sent = 0; sent < part;) sent += await to.write(buffer.subarray(sent, part));
        if (spoilt !== "whole") return;
      }
    } catch {
      // A cut connection ends here.
    }
  }

  #takeAim(command: Uint8Array): Aim | null {
    const aim = this.#aim;
    if (aim === null || !aim.texts.some((text) => includes(command, text))) return null;
    if (aim.left-- > 0) return null;
    this.#aim = null;
    return aim;
  }

  #drop(pair: Pair): void {
    if (!this.#pairs.delete(pair)) return;
    closeQuietly(pair.client);
    closeQuietly(pair.server);
  }
}

function includes(whole: Uint8Array, part: Uint8Array): boolean {
  if (part.length === 0) return true;
  for (let at = whole.indexOf(part[0]!); at >= 0; at = whole.indexOf(part[0]!, at + 1)) {
    if (part.every((byte, i) => whole[at + i] === byte)) return true;
  }
  return false;
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // The other side was first.
  }
}
