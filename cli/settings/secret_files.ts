/**
 * Secrets that stand in files of their own, as containers mount them: `REDIS_PASSWORD_FILE` names one. Only the environment may
 * name them: a file that was found could else have any other file sent to a host of its choice.
 *
 * @module
 */

import { systemReason } from "../system_reason.ts";

/** Variables whose value a file may hold. */
const VARIABLES = ["REDIS_PASSWORD", "CLICKHOUSE_PASSWORD", "POSTGRES_URL", "POSTGRES_PASSWORD"] as const;

/** A variable that a file may hold. */
export type FileVariable = (typeof VARIABLES)[number];

/** What a file holds, or why that cannot be used. */
export interface SecretFile {
  /** The variable that names the file, for example `REDIS_PASSWORD_FILE`. */
  readonly name: string;
  readonly path: string;
  readonly value: string;
  /** "names a file that ...", without its content; null when all is well. */
  readonly problem: string | null;
}

/** The files that the environment names, by the variable that they stand for. */
export type SecretFiles = ReadonlyMap<FileVariable, SecretFile>;

/** Bytes that a secret has at most. */
const LARGEST = 64 * 1024;

/** Reads them. Never throws: problems are part of the answer. */
export function readSecretFiles(env: Readonly<Record<string, string | undefined>>): SecretFiles {
  const files = new Map<FileVariable, SecretFile>();
  for (const variable of VARIABLES) {
    const name = `${variable}_FILE`;
    const path = env[name] ?? "";
    if (path === "") continue;
    const twice = variable !== "POSTGRES_PASSWORD" && (env[variable] ?? "") !== "";
    const read = twice ? { problem: `contradicts ${variable}: set one of them` } : readSecret(path);
    files.set(variable, { name, path, value: "", problem: null, ...read });
  }
  return files;
}

function readSecret(path: string): { readonly value: string } | { readonly problem: string } {
  let bytes: Uint8Array;
  try {
    const { isFile, size } = Deno.statSync(path);
    if (!isFile) return { problem: "names something that is no file" };
    if (size > LARGEST) return { problem: "names a file that is too large for a secret" };
    bytes = Deno.readFileSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { problem: "names a file that does not exist" };
    return { problem: `names a file that cannot be read: ${systemReason(error)}` };
  }
  try {
    // Editors end a file with a line break, which belongs to no password.
    const value = new TextDecoder("utf-8", { fatal: true }).decode(bytes).replace(/(\r?\n)+$/, "");
    return value === "" ? { problem: "names a file that is empty" } : { value };
  } catch {
    return { problem: "names a file that is not text in UTF-8" };
  }
}
