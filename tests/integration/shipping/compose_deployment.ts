/**
 * Runs the compose file of deploy/ where compose is installed.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path";
import { eventually } from "../../support/server.ts";
import { ROOT } from "./compiler.ts";
import { dockerOutput, type TestImages } from "./docker.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** What the compose file uses beside the image. */
export const COMPOSE_IMAGES: readonly string[] = ["postgres:15", "redis:7"];

/** The command that runs compose here, or null. */
export async function findCompose(): Promise<readonly string[] | null> {
  for (const command of [["docker", "compose"], ["docker-compose"]]) {
    try {
      const { code } = await outcomeOf(command[0]!, { args: [...command.slice(1), "version"] });
      if (code === 0) return command;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return null;
}

/** The server of the test: it only has to stay. */
const OVERRIDE = `
services:
  outpost:
    command: ["serve", "--", "sleep", "600"]
`;

/** Brings the deployment up, waits until the server is healthy, looks whether everything is migrated, and takes it down. */
export async function assertComposeServes(compose: readonly string[], images: TestImages): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "outpost-compose-" });
  const project = `outpost-${crypto.randomUUID().slice(0, 8)}`;
  await Deno.copyFile(join(ROOT, "deploy/compose.yaml"), join(folder, "compose.yaml"));
  const example = await Deno.readTextFile(join(ROOT, "deploy/.env.example"));
  const [postgres, redis] = COMPOSE_IMAGES;
  const settings = example.replace(/^OUTPOST_IMAGE=.*$/m, `OUTPOST_IMAGE=${images.withServer}`) +
    `POSTGRES_IMAGE=${postgres}\nREDIS_IMAGE=${redis}\n`;
  assert(settings.includes(images.withServer));
  await Deno.writeTextFile(join(folder, ".env"), settings);
  await Deno.writeTextFile(join(folder, "override.yaml"), OVERRIDE);

  const run = async (...args: readonly string[]): Promise<Outcome> => {
    const [command, ...first] = compose;
    const files = ["-f", "compose.yaml", "-f", "override.yaml", "-p", project];
    const outcome = await outcomeOf(command!, { args: [...first, ...files, ...args], cwd: folder });
    assertEquals(outcome.code, 0, `compose ${args.join(" ")}\n${outcome.stdout}\n${outcome.stderr}`);
    return outcome;
  };
  try {
    await run("up", "-d");
    const container = (await run("ps", "-q", "outpost")).stdout.trim();
    await eventually(async () => {
      const state = await dockerOutput(["inspect", "--format", "{{.State.Health.Status}}", container]);
      assertEquals(state, "healthy");
    }, 60_000);
    const listed = await run("run", "--rm", "-T", "outpost-migrate", "migrate", "list", "--json");
    assertEquals(JSON.parse(listed.stdout).pending, { sql: 0, redis: 0 });
    // Once more, as on every later start: there is nothing to do.
    await run("run", "--rm", "-T", "outpost-migrate");
  } finally {
    await run("down", "--volumes", "--timeout", "1");
    await Deno.remove(folder, { recursive: true });
  }
}
