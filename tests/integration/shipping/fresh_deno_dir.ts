/**
 * A place where nothing of the project is known to Deno.
 *
 * @module
 */

import { join } from "@std/path";
import { outcomeOf } from "./outcome.ts";

/** A temporary home. */
export interface FreshDenoDir extends AsyncDisposable {
  /** An empty folder, outside of any project, to run in. */
  readonly path: string;
  /** For `DENO_DIR`: no module is cached in it; npm packages are shared with the real one. */
  readonly denoDir: string;
}

/** Makes one. Disposing removes it. */
export async function freshDenoDir(): Promise<FreshDenoDir> {
  const home = await Deno.makeTempDir({ prefix: "outpost-url-" });
  const [path, denoDir] = [join(home, "cwd"), join(home, "deno")];
  const { stdout } = await outcomeOf(Deno.execPath(), { args: ["info", "--json"] });
  const { npmCache } = JSON.parse(stdout) as { readonly npmCache: string };
  await Deno.mkdir(path);
  await Deno.mkdir(denoDir);
  await Deno.mkdir(npmCache, { recursive: true });
  await Deno.symlink(npmCache, join(denoDir, "npm"));
  return {
    path,
    denoDir,
    [Symbol.asyncDispose]: () => Deno.remove(home, { recursive: true }),
  };
}
