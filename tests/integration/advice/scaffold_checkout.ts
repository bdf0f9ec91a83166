/**
 * As much of a checkout as `migrate new` reads.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { type CliResult, runCli } from "../../support/cli.ts";

const LIST = fromFileUrl(new URL("../../../migrations/redis.ts", import.meta.url));

/** Runs commands in a checkout of their own. */
export async function scaffoldCheckout(
  work: (run: (line: string, folder?: string) => Promise<CliResult>, folder: string) => Promise<CliResult>,
): Promise<CliResult> {
  const folder = await Deno.makeTempDir({ prefix: "outpost-checkout-" });
  try {
    await Deno.mkdir(`${folder}/migrations/redis`, { recursive: true });
    await Deno.copyFile(LIST, `${folder}/migrations/redis.ts`);
    return await work((line, cwd = folder) => runCli(line.split(" "), { cwd }), folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
