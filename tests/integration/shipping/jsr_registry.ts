/**
 * A registry on the loopback with JSR's interface: `deno publish` uploads to it, `jsr:` specifiers are loaded from it.
 *
 * @module
 */

import { join } from "@std/path";
import { createHash } from "node:crypto";
import { contentType } from "./checkout_server.ts";

/** A running registry. Nothing is in it at first. */
export interface JsrRegistry extends AsyncDisposable {
  /** For `JSR_URL`. */
  readonly url: string;
  /** Paths of the files of the package that was published last, in order. */
  files(): readonly string[];
}

interface Published {
  readonly scope: string;
  readonly name: string;
  readonly version: string;
  readonly files: ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
}

/** Starts a registry that accepts every upload. */
export function startJsrRegistry(): JsrRegistry {
  let published: Published | undefined;
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const path = decodeURIComponent(new URL(request.url).pathname);
    if (!path.startsWith("/api/")) return serveFile(path, published);
    const [, scope, name, version] =
      /^\/api\/scopes\/([^/]+)\/packages\/([^/]+)(?:\/versions\/([^/]+))?$/.exec(path) ??
        [];
    if (scope === undefined || name === undefined) return notFound();
    if (request.method === "GET") return version === undefined ? Response.json({ scope, name }) : notFound();
    if (version === undefined) return notFound();
    published = { scope, name, version, files: await unpack(new Uint8Array(await request.arrayBuffer())) };
    return Response.json({ id: "1", status: "success", error: null });
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    files: () => [...published?.files.keys() ?? []].sort(),
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

function serveFile(path: string, published: Published | undefined): Response {
  if (published === undefined) return notFound();
  const { scope, name, version, files } = published;
  const root = `/@${scope}/${name}`;
  if (path === `${root}/meta.json`) {
    return Response.json({ scope, name, latest: version, versions: { [version]: {} } });
  }
  if (path === `${root}/${version}_meta.json`) {
    const { exports } = JSON.parse(new TextDecoder().decode(files.get("/deno.json")));
    const manifest = Object.fromEntries([...files].map(([file, bytes]) => {
      return [file, {
        size: bytes.length,
        checksum: `sha256-${createHash("sha256").update(bytes).digest("hex")}`,
      }];
    }));
    return Response.json({ exports, manifest });
  }
  const bytes = path.startsWith(`${root}/${version}/`)
    ? files.get(path.slice(`${root}/${version}`.length))
    : undefined;
  return bytes === undefined
    ? notFound()
    : new Response(bytes, { headers: { "content-type": contentType(path) } });
}

function notFound(): Response {
  return Response.json({ code: "notFound", message: "not found" }, { status: 404 });
}

async function unpack(archive: Uint8Array<ArrayBuffer>): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const folder = await Deno.makeTempDir({ prefix: "outpost-jsr-" });
  try {
    await Deno.writeFile(join(folder, "package.tar.gz"), archive);
    await Deno.mkdir(join(folder, "package"));
    // Deno packs files without permissions, which only the super-user can read.
    const script = "tar -xzf package.tar.gz -C package && chmod -R u+rwX package";
    const { success } = await new Deno.Command("sh", { args: ["-c", script], cwd: folder }).output();
    if (!success) throw new Error("tar could not unpack what was published");
    const files = new Map<string, Uint8Array<ArrayBuffer>>();
    for await (const path of walk(join(folder, "package"))) {
      files.set(`/${path}`, await Deno.readFile(join(folder, "package", path)));
    }
    return files;
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function* walk(folder: string, prefix = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(folder, prefix))) {
    if (isDirectory) yield* walk(folder, `${prefix}${name}/`);
    else yield `${prefix}${name}`;
  }
}
