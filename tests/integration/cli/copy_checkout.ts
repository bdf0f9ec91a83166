/**
 * As much of the checkout as a new migration and its test need, in a folder of its own.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";

const ROOT = fromFileUrl(new URL("../../..", import.meta.url));

/** A copy of the checkout, to be changed. */
export async function copyCheckout(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await Deno.makeTempDir({ prefix: "outpost-new-" });
  const copied = ["cli", "engine", "migrations", "testing", "tests/support", "tests/integration/postgres"];
  for (const entry of [...copied, "deno.json", "deno.lock", "main.ts", "mod.ts"]) await copy(entry, path);
  return { path, [Symbol.asyncDispose]: () => Deno.remove(path, { recursive: true }) };
}

async function copy(entry: string, to: string): Promise<void> {
  if ((await Deno.stat(join(ROOT, entry))).isFile) {
    return await Deno.copyFile(join(ROOT, entry), join(to, entry));
  }
  await Deno.mkdir(join(to, entry), { recursive: true });
  for await (const { name } of Deno.readDir(join(ROOT, entry))) await copy(`${entry}/${name}`, to);
}
