/**
 * Follows what a Redis server sends, and ends a conversation that a server of good faith does not hold: an answer without an end, or
 * to nothing that was asked. The client would collect it until there is no memory left.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import type { Cluster, Redis } from "ioredis";

/** Bytes of one answer at most: half of what the server allows a single value. */
export const LONGEST_ANSWER = 256 * 1024 * 1024;
/** Parts of one list at most: twice the fields of the largest record that was ever tried. */
const LONGEST_LIST = 2_000_000;
/** Bytes of a line at most: an error, a status, a number. */
const LONGEST_LINE = 64 * 1024;
/** How deep lists may stand within one another at most. Answers to this program's commands are three deep. */
const DEEPEST = 32;

const [CR, LF] = [13, 10];
/** By the first letter of a line: what follows is a text of so many bytes, or so many answers. */
const TEXTS = "$=!";
const LISTS: Readonly<Record<string, number>> = { "*": 1, "~": 1, "%": 2 };
const SCALARS = "+-:_,#(";

/** Error codes of conversations that were ended here: another attempt would meet the same server. */
export const GUARD_CODES: readonly string[] = ["EMSGSIZE", "EPROTO"];

/** Watches every connection of a client, those to a cluster's nodes included. */
export function guardReplies(client: Redis | Cluster): void {
  const events = client as unknown as EventEmitter; // Older compilers miss the inherited methods.
  events.on("+node", guardReplies);
  events.on("connect", () => {
    const { stream, commandQueue } = client as Partial<Redis>;
    if (stream === undefined || commandQueue === undefined) return; // A cluster; its nodes are announced.
    const replies = new ReplyFollower();
    stream.prependListener("data", (chunk: Uint8Array) => {
      const asked = (client as Redis).commandQueue.length;
      const problem = replies.follow(chunk, asked);
      if (problem !== null) stream.destroy(Object.assign(new Error(problem.message), problem));
    });
  });
}

/** What is wrong with a conversation. */
export interface Problem {
  readonly code: string;
  readonly message: string;
}

/** Follows the answers in what comes, in pieces of any size. */
export class ReplyFollower {
  /** A line whose end has not come yet. */
  #line = "";
  /** Bytes of a text still to come, its line end included. */
  #text = 0;
  /** Answers still to come in each list that is open. */
  #open: number[] = [];
  #size = 0;

  /**
   * @param asked How many answers are awaited.
   * @returns What is wrong, or null.
   */
  follow(chunk: Uint8Array, asked: number): Problem | null {
    let answered = 0;
    for (let at = 0; at < chunk.length;) {
      if (answered >= asked) return { code: "EPROTO", message: "the server answers what nobody asked" };
      const begun = at;
      if (this.#text > 0) {
        at = Math.min(chunk.length, at + this.#text);
        this.#text -= at - begun;
        if (this.#text === 0 && this.#complete()) answered++;
      } else {
        const end = chunk.indexOf(LF, at);
        const line = chunk.subarray(at, end < 0 ? chunk.length : end);
        if (this.#line.length + line.length > LONGEST_LINE) return TOO_LONG;
        this.#line += latin1.decode(line[line.length - 1] === CR ? line.subarray(0, -1) : line);
        at = end < 0 ? chunk.length : end + 1;
        if (end >= 0) {
          const problem = this.#read(this.#line);
          if (problem !== null) return problem;
          this.#line = "";
          if (this.#text === 0 && this.#complete()) answered++;
        }
      }
      this.#size += at - begun;
      if (this.#size > LONGEST_ANSWER) return TOO_LONG;
      if (this.#open.length === 0 && this.#text === 0 && this.#line === "") this.#size = 0;
    }
    return null;
  }

  /** Understands a line: how much belongs to it. */
  #read(line: string): Problem | null {
    const type = line.charAt(0);
    if (SCALARS.includes(type) && type !== "") return null;
    const count = /^.-?\d{1,15}$/.test(line) ? Number(line.slice(1)) : NaN;
    const each = LISTS[type];
    if (Number.isNaN(count) || (each === undefined && !TEXTS.includes(type))) {
      return { code: "EPROTO", message: "what answers there does not speak Redis' protocol" };
    }
    if (count > (each === undefined ? LONGEST_ANSWER : LONGEST_LIST)) return TOO_LONG;
    if (each === undefined) this.#text = count < 0 ? 0 : count + 2;
    else if (count > 0) this.#open.push(count * each + 1); // The list itself is counted off like its last part.
    return this.#open.length > DEEPEST ? TOO_LONG : null;
  }

  /** One part has come. @returns True when an answer is complete by it. */
  #complete(): boolean {
    while (this.#open.length > 0) {
      const left = this.#open.pop()! - 1;
      if (left > 0) {
        this.#open.push(left);
        return false;
      }
    }
    return true;
  }
}

const latin1 = new TextDecoder("latin1");
const TOO_LONG: Problem = {
  code: "EMSGSIZE",
  message: "the server's answer is larger than any that was asked for",
};
