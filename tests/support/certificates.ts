/**
 * Certificates for servers of tests, made by openssl.
 *
 * @module
 */

import { assert } from "@std/assert";

/** Makes an authority and a server's certificate of its own. @returns Their files, and that of the server's key. */
export async function certificates(directory: string): Promise<[string, string, string]> {
  const [ca, caKey, certificate, key] = ["ca.pem", "ca.key", "server.pem", "server.key"].map((name) =>
    `${directory}/${name}`
  ) as [string, string, string, string];
  const [request, names] = [`${directory}/server.csr`, `${directory}/names`];
  await Deno.writeTextFile(names, "subjectAltName=DNS:localhost,IP:127.0.0.1");
  for (
    const line of [
      `req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout ${caKey} -out ${ca}`,
      `req -newkey rsa:2048 -nodes -subj /CN=localhost -keyout ${key} -out ${request}`,
      `x509 -req -days 1 -in ${request} -CA ${ca} -CAkey ${caKey} -CAcreateserial -extfile ${names} -out ${certificate}`,
    ]
  ) assert((await new Deno.Command("openssl", { args: line.split(" "), stderr: "null" }).output()).success);
  return [ca, certificate, key];
}
