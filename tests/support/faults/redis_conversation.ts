/**
 * One connection of a Redis client, command by command.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { keySlot } from "../../../engine/redis/hash_slot.ts";
import { ByteQueue } from "./byte_queue.ts";
import type { Channel } from "./channel.ts";
import { type Command, type Fault, REDIS_ERRORS, type RedisErrorCode } from "./fault.ts";

/** An answer that a client waits for: the proxy's own, or the server's next, which may be spoilt. */
interface Slot {
  readonly own: Uint8Array | null;
  readonly spoilt: "lost" | "half" | null;
}

/**
 * Carries a connection until it ends.
 *
 * @param decide Asked for each command.
 * @param address Where `MOVED` and `ASK` lead, as `host:port`.
 */
export async function converseInRedis(
  channel: Channel,
  decide: (command: Pick<Command, "name" | "text">) => Promise<Fault | null>,
  address: string,
): Promise<void> {
  const [asked, answered] = [new ByteQueue(), new ByteQueue()];
  const slots: Slot[] = [];
  const sendOwn = async () => {
    while (slots.length > 0 && slots[0]!.own !== null) await channel.toClient(slots.shift()!.own!);
  };
  const pass = async (raw: Uint8Array, spoilt: Slot["spoilt"] = null) => {
    slots.push({ own: null, spoilt });
    await channel.toServer(raw);
  };
  const onCommand = async (raw: Uint8Array, words: readonly string[]) => {
    const fault = await decide({ name: (words[0] ?? "").toUpperCase(), text: words.join(" ") });
    switch (fault?.type) {
      case undefined:
        return await pass(raw);
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, fault.ms));
        return await pass(raw);
      case "cut":
        return channel.drop();
      case "lost_reply":
        return await pass(raw, "lost");
      case "half_reply":
        return await pass(raw, "half");
      case "error":
        slots.push({ own: errorReply(fault.code as RedisErrorCode, words, address), spoilt: null });
        return await sendOwn();
    }
  };
  const onReply = async (raw: Uint8Array) => {
    // What nobody asked for is no answer: a message to a subscriber.
    const spoilt = raw[0] === PUSH ? null : slots.shift()?.spoilt ?? null;
    if (spoilt === null) await channel.toClient(raw);
    if (spoilt === "half") await channel.toClient(raw.subarray(0, raw.length >> 1));
    if (spoilt !== null) return channel.drop();
    await sendOwn();
  };
  await channel.carry(
    async (chunk) => {
      asked.push(chunk);
      for (let end = replyEnd(asked.bytes, 0); end !== null; end = replyEnd(asked.bytes, 0)) {
        const raw = asked.take(end);
        await onCommand(raw, wordsOf(raw));
      }
    },
    async (chunk) => {
      answered.push(chunk);
      for (let end = replyEnd(answered.bytes, 0); end !== null; end = replyEnd(answered.bytes, 0)) {
        await onReply(answered.take(end));
      }
    },
  );
}

const PUSH = ">".charCodeAt(0);
const CR = 13;

/** Where a value of RESP 2 or 3 that begins at a position ends; null when not all of it is there. */
export function replyEnd(bytes: Uint8Array, at: number): number | null {
  const line = bytes.indexOf(CR, at);
  if (line < 0 || line + 1 >= bytes.length) return null;
  const kind = String.fromCharCode(bytes[at]!);
  const count = Number(new TextDecoder().decode(bytes.subarray(at + 1, line)));
  let end: number | null = line + 2;
  if ("$=!".includes(kind)) {
    if (count >= 0) end += count + 2;
    return end <= bytes.length ? end : null;
  }
  const values = "*~>".includes(kind) ? count : kind === "%" ? count * 2 : kind === "|" ? count * 2 + 1 : 0;
  for (let i = 0; i < values && end !== null; i++) end = replyEnd(bytes, end);
  return end;
}

/** The words of a command, which clients send as an array of strings. */
function wordsOf(raw: Uint8Array): string[] {
  const bytes = Buffer.from(raw);
  const words: string[] = [];
  let at = bytes.indexOf(CR) + 2;
  while (at < bytes.length) {
    const line = bytes.indexOf(CR, at);
    const length = Number(bytes.toString("latin1", at + 1, line));
    words.push(bytes.toString("latin1", line + 2, line + 2 + length));
    at = line + 2 + length + 2;
  }
  return words;
}

function errorReply(code: RedisErrorCode, words: readonly string[], address: string): Uint8Array {
  const scripted = /^(EVAL|EVALSHA|FCALL)(_RO)?$/i.test(words[0] ?? "");
  const key = (scripted ? words[3] : words[1]) ?? "";
  const rest = code === "MOVED" || code === "ASK" ? `${keySlot(key)} ${address}` : REDIS_ERRORS[code];
  return Buffer.from(`-${code} ${rest}\r\n`, "latin1");
}
