/**
 * What processes that tests start get of the environment: enough to run and to find what is cached, and nothing that a developer
 * set for an Outpost of their own.
 *
 * @module
 */

import { resolve } from "@std/path";

/** How Deno and npm come to packages: behind a proxy, with the authorities that it needs. */
const NETWORK = [
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "ALL_PROXY",
  "DENO_TLS_CA_STORE",
  "DENO_CERT",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "NODE_EXTRA_CA_CERTS",
  "NPM_CONFIG_REGISTRY",
];
const NAMES = ["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "TZ", "XDG_CACHE_HOME", "DOCKER_HOST", ...NETWORK];

/**
 * The environment for a process of a test's own, to be given with `clearEnv`.
 *
 * @param more Names of variables that it gets as well.
 */
export function inheritedEnv(more: readonly string[] = []): Record<string, string> {
  const names = [...NAMES, ...more].flatMap((name) => [name, name.toLowerCase()]);
  const found = Object.fromEntries(
    names.flatMap((name) => {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
  // Relative to this process' folder, which is not that of every process it starts.
  const cache = Deno.env.get("DENO_DIR");
  return cache === undefined || cache === "" ? found : { ...found, DENO_DIR: resolve(cache) };
}
