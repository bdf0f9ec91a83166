/**
 * Builds and runs the image where a Docker engine can be reached.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { ROOT } from "./compiler.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";

/** What the image is built from: pulled by its digest, or provided, beforehand. */
export const BASES: readonly string[] = ["denoland/deno:2.4.2", "gcr.io/distroless/cc-debian12:nonroot"];

/** Runs `docker`. */
export function docker(args: readonly string[], options: Deno.CommandOptions = {}): Promise<Outcome> {
  return outcomeOf("docker", { ...options, args: [...args] });
}

/** Runs `docker`, which has to succeed. @returns What it printed, without white space around it. */
export async function dockerOutput(
  args: readonly string[],
  options: Deno.CommandOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await docker(args, options);
  assertEquals(code, 0, `docker ${args.join(" ")}\n${stdout}\n${stderr}`);
  return stdout.trim();
}

/**
 * Finds out whether images can be built and run.
 *
 * @param images What has to be there.
 * @returns Why not, or null when they can.
 */
export async function whyNoDocker(images: readonly string[]): Promise<string | null> {
  try {
    const { code } = await docker(["version"]);
    if (code !== 0) return "no Docker engine can be reached";
    for (const image of images) {
      if ((await docker(["image", "inspect", image])).code !== 0) return `the image ${image} is not here`;
    }
    return null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "docker is not installed";
    throw error;
  }
}

/** Images of this test's own. Disposing removes them. */
export interface TestImages extends AsyncDisposable {
  /** As the Dockerfile builds it. */
  readonly plain: string;
  /** With a server in it: `outpost-server` prints its environment, `sleep` keeps running. */
  readonly withServer: string;
}

/** Builds both. */
export async function buildImages(): Promise<TestImages> {
  const name = `outpost-test-${crypto.randomUUID().slice(0, 8)}`;
  const [plain, withServer] = [`${name}:plain`, `${name}:server`];
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => void await docker(["rmi", "--force", withServer, plain]));
  const [deno, base] = BASES;
  const given = [`DENO_IMAGE=${deno}`, `BASE_IMAGE=${base}`, "VERSION=test"].map((arg) =>
    `--build-arg=${arg}`
  );
  await dockerOutput(["build", "--network=host", ...given, "--tag", plain, "."], { cwd: ROOT });
  const folder = await Deno.makeTempDir({ prefix: "outpost-server-" });
  try {
    const lines = [
      `FROM ${plain}`,
      `COPY --from=${BASES[0]} /usr/bin/env /usr/local/bin/outpost-server`,
      `COPY --from=${BASES[0]} /usr/bin/sleep /usr/local/bin/sleep`,
    ];
    await Deno.writeTextFile(join(folder, "Dockerfile"), lines.join("\n"));
    await dockerOutput(["build", "--tag", withServer, folder]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const kept = stack.move();
  return { plain, withServer, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}
