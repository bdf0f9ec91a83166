/**
 * `deno task outposts`: takes real, released Outposts through an upgrade.
 *
 *   OUTPOSTS_OLD=v0.9.0 OUTPOSTS_NEW=v0.16.0 RABBITMQ_SERVER_URL=amqp://... deno task outposts
 *   OUTPOSTS_CHECKOUT=/src/outpost OUTPOSTS_OLD=... OUTPOSTS_NEW=... deno task outposts
 *   deno task outposts --stand-in      the same mechanics over a small Go module that is built in place of them
 *
 * It needs Go, and git where a checkout is named. What is missing is said, and is no failure.
 *
 * @module
 */

import { fromFileUrl, join } from "@std/path";
import { buildRelease, goVersion, MissingReleaseError, run } from "./releases.ts";
import { upgrade } from "./upgrade.ts";

const STAND_IN = fromFileUrl(new URL("stand_in", import.meta.url));
const say = (line: string) => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));

/** Two releases of the stand-in in a repository of their own: records before hash tags, and after them. */
async function standIn(folder: string): Promise<string> {
  const checkout = join(folder, "stand-in");
  await run("cp", ["-r", STAND_IN, checkout]);
  const git = (...args: string[]) =>
    run("git", ["-c", "user.name=t", "-c", "user.email=t@localhost", ...args], checkout);
  await git("init", "--quiet");
  for (const [version, form] of [["v0.1.0", "true"], ["v0.2.0", "false"]]) {
    const path = join(checkout, "internal/records/form.go");
    await Deno.writeTextFile(
      path,
      `package records\n\n// Legacy says which release this is.\nconst Legacy = ${form}\n`,
    );
    await git("add", ".");
    await git("commit", "--quiet", "--message", version!);
    await git("tag", version!);
  }
  return checkout;
}

async function main(): Promise<void> {
  if (await goVersion() === null) return say("Left out: Go is not on PATH");
  const folder = await Deno.makeTempDir({ prefix: "outposts-" });
  try {
    const trial = Deno.args.includes("--stand-in");
    const checkout = trial ? await standIn(folder) : Deno.env.get("OUTPOSTS_CHECKOUT") ?? null;
    const [old, latest] = trial
      ? ["v0.1.0", "v0.2.0"]
      : [Deno.env.get("OUTPOSTS_OLD") ?? "v0.16.0", Deno.env.get("OUTPOSTS_NEW") ?? "latest"];
    say(`from ${old} to ${latest}${trial ? " of the stand-in" : ""}`);
    await upgrade(
      await buildRelease(old, checkout, folder),
      await buildRelease(latest, checkout, folder),
      say,
    );
    say("ok");
  } catch (error) {
    if (!(error instanceof MissingReleaseError)) throw error;
    say(`Left out: ${error.message}`);
  } finally {
    await run("chmod", ["-R", "u+w", folder]); // Go keeps what it builds from read-only.
    await Deno.remove(folder, { recursive: true });
  }
}

await main();
