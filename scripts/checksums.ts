/**
 * Checksums of released files, in the form that `sha256sum --check` reads.
 *
 * @module
 */

import { basename } from "node:path";
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** One line: the hash in hexadecimal, two spaces, the name of the file without its folder, a line feed. */
export async function checksumLine(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  return `${hash.digest("hex")}  ${basename(path)}\n`;
}
