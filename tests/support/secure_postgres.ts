/**
 * A PostgreSQL that speaks TLS, with certificates of a test's own.
 *
 * @module
 */

import { join } from "@std/path";
import { type PostgresServer, startPostgres } from "./postgres.ts";
import { isRoot } from "./server.ts";

/** An authority and a certificate for "localhost", and a server that only lets encrypted, known people in. */
export async function secureServer(
  directory: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<PostgresServer> {
  return await startPostgres({ ...await securitySettings(directory), ...settings });
}

/** Makes the certificates, and says which settings a server has that uses them. */
export async function securitySettings(directory: string): Promise<Record<string, string>> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  await run(
    directory,
    "openssl",
    "req",
    "-x509",
    ...key,
    "-days",
    "2",
    "-subj",
    "/CN=Test",
    "-keyout",
    "ca.key",
    "-out",
    "ca.crt",
  );
  await run(
    directory,
    "openssl",
    "req",
    "-x509",
    ...key,
    "-days",
    "2",
    "-subj",
    "/CN=Other",
    "-keyout",
    "o.key",
    "-out",
    "other.crt",
  );
  const request = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
  await run(directory, "openssl", "req", ...key, ...request, "-keyout", "server.key", "-out", "server.csr");
  const sign = [
    "-CA",
    "ca.crt",
    "-CAkey",
    "ca.key",
    "-CAcreateserial",
    "-days",
    "2",
    "-copy_extensions",
    "copy",
  ];
  await run(directory, "openssl", "x509", "-req", "-in", "server.csr", ...sign, "-out", "server.crt");
  const hba =
    "host all,replication postgres 127.0.0.1/32 trust\nlocal all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
  await Deno.writeTextFile(join(directory, "hba.conf"), hba);
  await Deno.chmod(directory, 0o755);
  if (isRoot()) await run(directory, "chown", "postgres", "server.key", "hba.conf");
  await Deno.chmod(join(directory, "server.key"), 0o600);
  return {
    ssl: "on",
    ssl_cert_file: join(directory, "server.crt"),
    ssl_key_file: join(directory, "server.key"),
    hba_file: join(directory, "hba.conf"),
  };
}

async function run(directory: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(args[0]!, {
    args: args.slice(1),
    cwd: directory,
    stderr: "piped",
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
}
