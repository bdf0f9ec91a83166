/**
 * Stands between the Postgres client and the server, and ends a conversation that a server of good faith does not hold: an
 * answer in another protocol, another way to log in than `require_auth` allows, a login that skips the server's own proof, a
 * message or an answer without an end. The client would believe, buffer or wait.
 *
 * @module
 */

import { Duplex } from "node:stream";
import type { AuthMethod, PostgresSecurity } from "./security.ts";

/** Bytes of one message at most. Answers to this program are rows of a few kilobytes. */
const LONGEST_MESSAGE = 16 * 1024 * 1024;
/** Bytes of all messages up to the end of one answer at most. */
export const LONGEST_ANSWER = 128 * 1024 * 1024;
/** Bytes of one message before the server has let us in. */
const LONGEST_GREETING = 64 * 1024;
/** Rounds of SCRAM at most: a number that the server chooses, and that the processor pays for. */
const MOST_ROUNDS = 1_000_000;

const code = (letter: string) => letter.charCodeAt(0);
const [AUTHENTICATION, READY] = [code("R"), code("Z")];
/** What may come before the first "ready": authentication, errors, notices, settings, the key, the version. */
const GREETING = new Set([..."RENSKvZ"].map(code));
/** What may come after it. */
const CONVERSATION = new Set([..."23ACDEGHIKNSTVWZcdnstv1"].map(code));
const CANCEL_REQUEST = 80877102;

/** Wraps a connection. What is wrong with a conversation destroys it with an error that has a code. */
export function guardConversation(socket: Duplex, { auth }: Pick<PostgresSecurity, "auth">): Duplex {
  return new GuardedConversation(socket, auth);
}

class GuardedConversation extends Duplex {
  readonly #socket: Duplex;
  readonly #login: Login;
  /** What has come of a message's five first bytes, and how much of its rest is still to come. */
  #head: number[] = [];
  #kept: Uint8Array[] = [];
  #rest = 0;
  #answer = 0;
  #greeted = false;
  #wrote = false;

  constructor(socket: Duplex, allowed: ReadonlySet<AuthMethod>) {
    super({ allowHalfOpen: false });
    this.#socket = socket;
    this.#login = new Login(allowed);
    socket.on("data", (chunk: Uint8Array) => this.#receive(chunk));
    socket.on("error", (error: Error) => this.destroy(error));
    socket.on("close", () => this.#closed());
    socket.on("end", () => this.#closed());
  }

  /** The client asks before it says goodbye. */
  get readyState(): "open" | "closed" {
    return this.destroyed || this.writableEnded ? "closed" : "open";
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error | null) => void): void {
    if (!this.#wrote && chunk.length >= 8) {
      // Whoever asks to cancel a statement is not answered.
      const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      if (view.getUint32(4) === CANCEL_REQUEST) this.#greeted = true;
    }
    this.#wrote = true;
    this.#socket.write(chunk, done);
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #closed(): void {
    if (this.destroyed) return;
    if (this.#greeted || this.writableEnded) {
      this.push(null);
    } else {
      // Without an error the client would try the same again, at once and for ever.
      this.#fail("ECONNRESET", "the server closed the connection before it let us in");
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.destroyed) return;
    const problem = this.#inspect(chunk);
    if (problem !== null) return this.#fail(problem.code, problem.message);
    if (!this.push(chunk)) this.#socket.pause();
  }

  #fail(code: string, message: string): void {
    this.destroy(Object.assign(new Error(message), { code }));
  }

  /** Follows the messages in what has come. @returns What is wrong, or null. */
  #inspect(chunk: Uint8Array): Problem | null {
    let at = 0;
    while (at < chunk.length) {
      if (this.#rest === 0 && this.#head.length < 5) {
        this.#head.push(chunk[at++]!);
        const problem = this.#head.length === 1
          ? this.#checkType(this.#head[0]!)
          : this.#head.length === 5
          ? this.#begin()
          : null;
        if (problem !== null) return problem;
        if (this.#head.length < 5 || this.#rest > 0) continue;
      } else {
        const part = chunk.subarray(at, at + this.#rest);
        if (this.#head[0] === AUTHENTICATION) this.#kept.push(part.slice());
        this.#rest -= part.length;
        at += part.length;
        if (this.#rest > 0) continue;
      }
      const problem = this.#end();
      if (problem !== null) return problem;
    }
    return null;
  }

  #checkType(type: number): Problem | null {
    if ((this.#greeted ? CONVERSATION : GREETING).has(type)) return null;
    return { code: "EPROTO", message: "what answers there does not speak Postgres' protocol" };
  }

  /** A message's head is complete. */
  #begin(): Problem | null {
    const length = this.#head.slice(1).reduce((sum, byte) => sum * 256 + byte, 0);
    if (length < 4) return { code: "EPROTO", message: "the server sent a message that makes no sense" };
    this.#answer += length + 1;
    if (length > (this.#greeted ? LONGEST_MESSAGE : LONGEST_GREETING) || this.#answer > LONGEST_ANSWER) {
      return { code: "EMSGSIZE", message: "the server's answer is larger than any that was asked for" };
    }
    this.#rest = length - 4;
    return null;
  }

  /** A message is complete. */
  #end(): Problem | null {
    const type = this.#head[0];
    this.#head = [];
    if (type === AUTHENTICATION) {
      const body = new Uint8Array(this.#kept.reduce((sum, { length }) => sum + length, 0));
      this.#kept.reduce((offset, part) => (body.set(part, offset), offset + part.length), 0);
      this.#kept = [];
      return this.#login.follow(body);
    }
    if (type === READY) {
      if (!this.#greeted && !this.#login.done) {
        return { code: "EPROTO", message: "the server skipped the login" };
      }
      this.#greeted = true;
      this.#answer = 0;
    }
    return null;
  }
}

interface Problem {
  readonly code: string;
  readonly message: string;
}

/** Follows one login. */
class Login {
  readonly #allowed: ReadonlySet<AuthMethod>;
  #asked: AuthMethod | null = null;
  #proof: "none" | "begun" | "answered" | "proven" = "none";
  done = false;

  constructor(allowed: ReadonlySet<AuthMethod>) {
    this.#allowed = allowed;
  }

  /** @param body The message without its head. */
  follow(body: Uint8Array): Problem | null {
    if (this.done || body.length < 4) return wrong("the server asked to log in out of turn");
    const type = new DataView(body.buffer).getUint32(0);
    const text = new TextDecoder().decode(body.subarray(4));
    switch (type) {
      case 0:
        return this.#letIn();
      case 3:
        return this.#ask("password");
      case 5:
        return this.#ask("md5");
      case 10:
        if (!text.split("\0").includes("SCRAM-SHA-256")) return unsupported();
        this.#proof = "begun";
        return this.#ask("scram-sha-256");
      case 11:
        return this.#challenge(text);
      case 12:
        if (this.#proof !== "answered") return wrong("the server's login is out of order");
        // The client compares what the server proves with what only a server that knows the password can say.
        this.#proof = "proven";
        return null;
      default:
        return unsupported();
    }
  }

  #ask(method: AuthMethod): Problem | null {
    if (this.#asked !== null) return wrong("the server asked to log in twice");
    this.#asked = method;
    return this.#allowed.has(method) ? null : notAllowed(method);
  }

  #challenge(text: string): Problem | null {
    if (this.#proof !== "begun") return wrong("the server's login is out of order");
    const rounds = /^r=[\x21-\x2b\x2d-\x7e]+,s=[A-Za-z0-9+/]+=*,i=([1-9]\d{0,9})$/.exec(text)?.[1];
    if (rounds === undefined || Number(rounds) > MOST_ROUNDS) {
      return wrong("the server's login makes no sense");
    }
    this.#proof = "answered";
    return null;
  }

  #letIn(): Problem | null {
    if (this.#asked === null && !this.#allowed.has("none")) return notAllowed("none");
    // A server that only pretends to know the password would leave its own proof away.
    if (this.#proof !== "none" && this.#proof !== "proven") return wrong("the server did not prove itself");
    this.done = true;
    return null;
  }
}

function wrong(message: string): Problem {
  return { code: "EPROTO", message };
}

function unsupported(): Problem {
  return { code: "EAUTH", message: "the server asks for a way to log in that is not supported" };
}

function notAllowed(method: AuthMethod): Problem {
  const asked = method === "none" ? "lets anybody in" : `asks for ${method}`;
  return { code: "EAUTH", message: `the server ${asked}, which require_auth does not allow` };
}
