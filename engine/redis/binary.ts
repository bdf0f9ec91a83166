/**
 * Keys and values are bytes. Inside the engine they travel as binary strings, in which each character stands for one
 * byte: as exact as a Buffer, and several times as fast to cut and compare.
 *
 * @module
 */

import { Buffer } from "node:buffer";
import { foreignText } from "../foreign_text.ts";

/** A string whose characters, all below 256, are the bytes of a key or value. */
export type Binary = string;

// deno-lint-ignore no-control-regex
const ASCII = /^[\x00-\x7f]*$/;
// deno-lint-ignore no-control-regex
const BEYOND_BYTES = /[^\x00-\xff]/;
const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What came is no bytes: whatever sent it answers otherwise than it was asked. */
export class NoBytesError extends Error {
  override readonly name = "NoBytesError";
}

/** Bytes as they came from a server. @throws {NoBytesError} When it is something else. */
export function fromBytes(bytes: Uint8Array): Binary {
  if (!(bytes instanceof Uint8Array)) throw new NoBytesError("What came from the server is no bytes");
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

/** False for text with characters that are no bytes. */
export function isBytes(text: string): boolean {
  return ASCII.test(text) || !BEYOND_BYTES.test(text);
}

/**
 * What to send to a server: a string where that is the same bytes, since that is the faster way.
 *
 * @throws {TypeError} When it holds a character that is no byte.
 */
export function toArgument(text: Binary): string | Buffer {
  return ASCII.test(text) ? text : toBuffer(text);
}

/**
 * The same for what is long: bytes are the faster way then.
 *
 * @throws {TypeError} When it holds a character that is no byte.
 */
export function toBuffer(text: Binary): Buffer {
  if (ASCII.test(text)) return Buffer.from(text, "utf8"); // The same bytes, and by far the faster way in Deno.
  if (BEYOND_BYTES.test(text)) {
    throw new TypeError("Cannot send text as bytes: encodeText() makes bytes of it");
  }
  return Buffer.from(text, "latin1");
}

/**
 * The bytes of text in UTF-8: what keys and values of migrations are made of. ASCII stays as it is.
 *
 * @example
 * ```ts
 * import { decodeText, encodeText } from "@outpost/migrate";
 *
 * const stored = encodeText("Zoë"); // "Zo\xc3\xab"
 * decodeText(stored)?.toLowerCase(); // "zoë"
 * ```
 */
export function encodeText(text: string): Binary {
  return ASCII.test(text) ? text : Buffer.from(text, "utf8").toString("latin1");
}

/** The text that bytes are in UTF-8, or null when they are none: to look into a value that may hold more than ASCII. */
export function decodeText(bytes: Binary): string | null {
  if (ASCII.test(bytes)) return bytes;
  if (!isBytes(bytes)) return null;
  try {
    return UTF8.decode(Buffer.from(bytes, "latin1"));
  } catch {
    return null;
  }
}

/** Bytes of a value that are looked at to show its beginning. */
const SHOWN_BYTES = 1000;

/** Bytes as a person sees them: UTF-8 where it is valid, escaped otherwise, harmless, and no more than a line of it. */
export function display(text: Binary): string {
  const long = text.length > SHOWN_BYTES;
  // Cut between characters: half of one would make the rest look like no text.
  const head = long ? text.slice(0, SHOWN_BYTES).replace(/[\xc0-\xff][\x80-\xbf]{0,3}$/, "") : text;
  const shown = decodeText(head) ??
    head.replace(/[\x80-\xff]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return foreignText(shown);
}

/** Escapes what a SCAN pattern would take for a wildcard. */
export function escapePattern(text: Binary): Binary {
  return text.replace(/[*?[\]\\^-]/g, "\\$&");
}
