/**
 * Servers that begin as Postgres does, and then do not.
 *
 * @module
 */

import type { Behaviour, FakeConnection } from "./fake_server.ts";

const encoder = new TextEncoder();

/** One message of the server. */
export function message(type: string, ...parts: readonly (string | number | Uint8Array)[]): Uint8Array {
  const bytes = parts.map((part) =>
    typeof part === "number" ? int32(part) : typeof part === "string" ? encoder.encode(part) : part
  );
  const length = 4 + bytes.reduce((sum, { length }) => sum + length, 0);
  return join([encoder.encode(type), int32(length), ...bytes]);
}

/** Four bytes, big-endian. */
export function int32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Two bytes, big-endian. */
export function int16(value: number): Uint8Array {
  return int32(value).subarray(2);
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** An error of the server, by the letters of its fields: S severity, C code, M message, D detail, H hint. */
export function errorMessage(fields: Readonly<Record<string, string>>): Uint8Array {
  const all = { S: "ERROR", V: "ERROR", ...fields };
  return message("E", ...Object.entries(all).map(([letter, text]) => `${letter}${text}\0`), "\0");
}

/** Everything is well: settings, a key, and ready for a query. */
export function welcome(): Uint8Array {
  return join([
    message("R", 0),
    message("S", "server_version\x0015.0\0"),
    message("K", 42, 42),
    message("Z", "I"),
  ]);
}

/** Reads the greeting, answering `N` to a wish for TLS. @returns False when the client has gone. */
export async function greeted(connection: FakeConnection): Promise<boolean> {
  while (true) {
    const head = await connection.read(4);
    if (head === null) return false;
    const length = new DataView(head.slice().buffer).getUint32(0);
    const body = await connection.read(length - 4);
    if (body === null) return false;
    if (new DataView(body.slice().buffer).getUint32(0) !== 80877103) return true;
    await connection.write("N");
  }
}

/** A server that takes the greeting, says something, and then waits. */
export function afterGreeting(...said: readonly Uint8Array[]): Behaviour {
  return async (connection) => {
    if (!await greeted(connection)) return;
    for (const bytes of said) await connection.write(bytes);
    await connection.gone();
  };
}
