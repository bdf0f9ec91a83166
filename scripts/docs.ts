/**
 * Rebuilds every text that is generated from the program: the reference and the recorded session of the README.
 *
 *   deno task docs           writes them anew
 *   deno task docs --check   fails when one is stale
 *
 * @module
 */

import { fromFileUrl } from "@std/path";
import { referencePages } from "./reference_pages.ts";
import { recordSession, withoutMeasurements } from "./record_session.ts";
import { scoreboardPage } from "./scoreboard_page.ts";
import { terminalSvg } from "./terminal_svg.ts";

const SESSION = "docs/session.svg";

/** Paths of the generated files that are not what the program says now. */
export async function staleDocs(): Promise<string[]> {
  const stale = [];
  for (const [path, text] of await generated()) if (await isStale(path, text)) stale.push(path);
  return stale;
}

async function generated(): Promise<ReadonlyMap<string, string>> {
  const picture = terminalSvg(
    await recordSession(),
    "Terminal: an old Outpost is migrated from refusal to start",
  );
  return new Map([...referencePages(), [SESSION, picture], ["docs/scoreboard.md", await scoreboardPage()]]);
}

/** Durations and sizes differ from run to run; a picture is stale when anything else does. */
async function isStale(path: string, text: string): Promise<boolean> {
  const old = await Deno.readTextFile(file(path)).catch(() => "");
  return path === SESSION ? withoutMeasurements(old) !== withoutMeasurements(text) : old !== text;
}

function file(path: string): string {
  return fromFileUrl(new URL(`../${path}`, import.meta.url));
}

if (import.meta.main) {
  const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
  const check = Deno.args.includes("--check");
  for (const [path, text] of await generated()) {
    if (!await isStale(path, text)) continue;
    if (check) {
      Deno.exitCode = 1;
      say(`${path} is stale: deno task docs writes it anew`);
    } else {
      await Deno.writeTextFile(file(path), text);
      say(`wrote ${path}`);
    }
  }
}
