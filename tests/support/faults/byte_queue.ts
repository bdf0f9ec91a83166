/**
 * Bytes that arrive in any pieces, taken out in whole messages.
 *
 * @module
 */

/** A first-in, first-out queue of bytes. */
export class ByteQueue {
  #bytes = new Uint8Array(0);

  /** Everything that was not taken yet. */
  get bytes(): Uint8Array {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    this.#bytes = concat([this.#bytes, chunk]);
  }

  /** Takes bytes from the front. @param count No more than there are. */
  take(count: number): Uint8Array {
    const taken = this.#bytes.subarray(0, count);
    this.#bytes = this.#bytes.subarray(count);
    return taken;
  }
}

/** Joins pieces into one. */
export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
