/**
 * Serves the files of the checkout that are published, as any server of modules would.
 *
 * @module
 */

import { extname, join } from "@std/path";
import { ROOT } from "./compiler.ts";

/** A server on a free port of the loopback. */
export interface CheckoutServer extends AsyncDisposable {
  /** Where the folder of the project is, without a slash at the end. */
  readonly url: string;
}

const TYPES: Readonly<Record<string, string>> = {
  ".ts": "application/typescript; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
};

/** The content type of a file, by its extension. */
export function contentType(path: string): string {
  return TYPES[extname(path)] ?? "application/octet-stream";
}

/** Starts to serve what `publish.include` in deno.json names; everything else is not found. */
export function serveCheckout(): CheckoutServer {
  const { publish } = JSON.parse(Deno.readTextFileSync(join(ROOT, "deno.json"))) as {
    readonly publish: { readonly include: readonly string[] };
  };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname).slice(1);
    const published = publish.include.some((entry) =>
      entry.endsWith("/") ? path.startsWith(entry) : path === entry
    );
    if (!published) return new Response("not found", { status: 404 });
    try {
      return new Response(await Deno.readFile(join(ROOT, path)), {
        headers: { "content-type": contentType(path) },
      });
    } catch {
      return new Response("not found", { status: 404 });
    }
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}
