/**
 * Files of certificates and keys.
 *
 * @module
 */

class NotOrdinaryError extends Error {
  override readonly name = "NotOrdinaryError";
}

/** Reads one. Of a pipe nobody could stop waiting for the writer: `systemReason()` says why that is refused. */
export function readCertificateFile(path: string): string {
  const { isFile, isDirectory } = Deno.statSync(path);
  if (!isFile && !isDirectory) throw new NotOrdinaryError();
  return Deno.readTextFileSync(path);
}
