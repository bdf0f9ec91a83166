/**
 * One connection of a Postgres client, statement by statement. A statement that is to fail is replaced by one that does, so that
 * the server itself knows of the failure: its transaction is aborted, and a COMMIT rolls back.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { ByteQueue, concat } from "./byte_queue.ts";
import type { Channel } from "./channel.ts";
import { type Command, type Fault, POSTGRES_ERRORS, type PostgresErrorCode } from "./fault.ts";

/** What the client waits for after a statement, up to `ReadyForQuery`. */
interface Slot {
  readonly spoilt: "lost" | "half" | null;
  /** True while messages of a statement that took another's place are kept from the client: it is told of the failure. */
  replaced: boolean;
  readonly kept: Uint8Array[];
}

/** Codes in place of a protocol version. */
const CANCEL = 80877102, SSL = 80877103, GSS_ENCRYPTION = 80877104;

/** Carries a connection until it ends. @param decide Asked for each statement. */
export async function converseInPostgres(
  channel: Channel,
  decide: (command: Pick<Command, "name" | "text">) => Promise<Fault | null>,
): Promise<void> {
  const [asked, answered] = [new ByteQueue(), new ByteQueue()];
  const slots: Slot[] = [];
  const statements = new Map<string, string>();
  let started = false;
  let batch: Uint8Array[] = [];

  const ask = async (raw: Uint8Array, text: string, replacement: (code: string) => Uint8Array) => {
    const name = text === "STARTUP" ? text : (/\w+/.exec(text)?.[0] ?? "").toUpperCase();
    const fault = await decide({ name, text });
    const pass = async (bytes: Uint8Array, spoilt: Slot["spoilt"], replaced = false) => {
      slots.push({ spoilt, replaced, kept: [] });
      await channel.toServer(bytes);
    };
    switch (fault?.type) {
      case undefined:
        return await pass(raw, null);
      case "delay":
        await new Promise((resolve) => setTimeout(resolve, fault.ms));
        return await pass(raw, null);
      case "cut":
        return channel.drop();
      case "lost_reply":
        return await pass(raw, "lost");
      case "half_reply":
        return await pass(raw, "half");
      case "error":
        if (text !== "STARTUP" && fault.code !== "57P01") {
          return await pass(replacement(fault.code), null, true);
        }
        await channel.toClient(fatal(fault.code as PostgresErrorCode));
        return channel.drop();
    }
  };
  /** @returns False when more bytes are needed. */
  const takeAsked = async (): Promise<boolean> => {
    const { bytes } = asked;
    const header = started ? 1 : 0;
    if (bytes.length < header + 4) return false;
    const length = header + Buffer.from(bytes).readInt32BE(header);
    if (bytes.length < length) return false;
    const raw = asked.take(length);
    if (!started) {
      const code = Buffer.from(raw).readInt32BE(4);
      if (code === SSL || code === GSS_ENCRYPTION) await channel.toClient(Buffer.from("N"));
      else if (code === CANCEL) await channel.toServer(raw);
      else {
        started = true;
        await ask(raw, "STARTUP", () => raw);
      }
      return true;
    }
    const [type, body] = [String.fromCharCode(raw[0]!), Buffer.from(raw.subarray(5))];
    if (type === "Q") {
      await ask(raw, textAt(body, 0), (code) => simpleQuery(failure(code, textAt(body, 0))));
    } else if ("PBDECSH".includes(type)) {
      batch.push(raw);
      if (type === "P") {
        const name = textAt(body, 0);
        statements.set(name, textAt(body, Buffer.byteLength(name) + 1));
      }
      if (type === "S") await endBatch();
      // A client that needs the types of parameters first waits in the middle; the statement is chosen with what follows.
      if (type === "H") await channel.toServer(concat(batch.splice(0)));
    } else await channel.toServer(raw);
    return true;
  };
  const endBatch = async () => {
    const [messages, bind] = [batch, batch.find((message) => message[0] === "B".charCodeAt(0))];
    batch = [];
    if (bind === undefined) {
      slots.push({ spoilt: null, replaced: false, kept: [] });
      return await channel.toServer(concat(messages));
    }
    const body = Buffer.from(bind.subarray(5));
    const statement = textAt(body, Buffer.byteLength(textAt(body, 0)) + 1);
    const text = statements.get(statement) ?? "";
    await ask(concat(messages), text, (code) => simpleQuery(failure(code, text)));
  };
  const takeAnswered = async (): Promise<boolean> => {
    const { bytes } = answered;
    if (bytes.length < 5) return false;
    const length = 1 + Buffer.from(bytes).readInt32BE(1);
    if (bytes.length < length) return false;
    const raw = answered.take(length);
    const slot = slots[0];
    const type = String.fromCharCode(raw[0]!);
    if (type === "Z") slots.shift();
    if (slot?.replaced === true) {
      if (type !== "E") return true;
      slot.replaced = false;
    }
    if (slot === undefined || slot.spoilt === null) {
      await channel.toClient(raw);
      return true;
    }
    slot.kept.push(raw);
    if (type !== "Z") return true;
    const whole = concat(slot.kept);
    if (slot.spoilt === "half") await channel.toClient(whole.subarray(0, whole.length >> 1));
    channel.drop();
    return true;
  };
  await channel.carry(
    async (chunk) => {
      asked.push(chunk);
      while (await takeAsked());
    },
    async (chunk) => {
      answered.push(chunk);
      while (await takeAnswered());
    },
  );
}

/** The text that ends with a zero byte. */
function textAt(body: Buffer, at: number): string {
  return body.toString("utf8", at, body.indexOf(0, at));
}

/** A statement that fails with a code. What ends a transaction ends it also where it fails: no server goes on in one after that. */
function failure(code: string, text: string): string {
  const message = POSTGRES_ERRORS[code as PostgresErrorCode];
  const raise = `DO $fault$ BEGIN RAISE EXCEPTION '${message}' USING ERRCODE = '${code}'; END $fault$`;
  return ENDS_TRANSACTION.test(text) ? `ROLLBACK; ${raise}` : raise;
}

const ENDS_TRANSACTION = /^\s*(commit|end|abort|rollback(?!\s+(work\s+|transaction\s+)?to\b))\b/i;

function simpleQuery(text: string): Uint8Array {
  return message("Q", Buffer.from(`${text}\0`));
}

/** What the server says before it hangs up. */
function fatal(code: PostgresErrorCode): Uint8Array {
  return message("E", Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${POSTGRES_ERRORS[code]}\0\0`));
}

function message(type: string, body: Buffer): Uint8Array {
  const header = Buffer.alloc(5);
  header.write(type);
  header.writeInt32BE(body.length + 4, 1);
  return concat([header, body]);
}
