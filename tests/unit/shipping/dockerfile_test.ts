import { assert, assertEquals, assertMatch } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { parse } from "@std/yaml";

const ROOT = fromFileUrl(new URL("../../../", import.meta.url));
const dockerfile = await Deno.readTextFile(join(ROOT, "Dockerfile"));

/** Instructions without comments, each on one line. */
const instructions = dockerfile.replaceAll(/^#.*\n/gm, "").replaceAll("\\\n", " ").split("\n")
  .map((line) => line.replaceAll(/\s+/g, " ").trim()).filter((line) => line !== "");
const final = instructions.slice(instructions.findLastIndex((line) => line.startsWith("FROM ")));

function argumentOf(list: readonly string[], instruction: string): string {
  const found = list.filter((line) => line.startsWith(`${instruction} `));
  assertEquals(found.length, 1, instruction);
  return found[0]!.slice(instruction.length + 1);
}

Deno.test("Dockerfile: both bases are build arguments with pinned defaults", () => {
  assertEquals(instructions.slice(0, 2), [
    "ARG DENO_IMAGE=denoland/deno:2.4.2",
    "ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot",
  ]);
  assertEquals(instructions.filter((line) => line.startsWith("FROM ")), [
    "FROM ${DENO_IMAGE} AS build",
    "FROM ${BASE_IMAGE}",
  ]);
});

Deno.test("Dockerfile: the last stage needs no shell and no root", () => {
  assertEquals(final.filter((line) => line.startsWith("RUN ")), []);
  assertMatch(argumentOf(final, "USER"), /^[1-9]\d*:[1-9]\d*$/);
  assertEquals(JSON.parse(argumentOf(final, "ENTRYPOINT")), ["outpost"]);
  assertEquals(JSON.parse(/CMD (\[.*\])$/.exec(argumentOf(final, "HEALTHCHECK"))![1]!), [
    "outpost",
    "migrate",
    "status",
    "--quiet",
  ]);
  // On PATH, so that a cluster's `command: ["outpost", ...]`, which replaces the entry point, finds it too.
  assert(final.includes("COPY --from=build /build/outpost /usr/local/bin/outpost"));
});

Deno.test("nothing that is shipped or deployed is granted everything", async () => {
  for (
    const file of [
      "Dockerfile",
      "deno.json",
      "scripts/compile.ts",
      "scripts/permissions.ts",
      "main.ts",
      "docs/install.md",
    ]
  ) {
    const text = await Deno.readTextFile(join(ROOT, file));
    const shipped = file === "deno.json"
      ? Object.entries(JSON.parse(text).tasks as Record<string, { command: string }>)
        .filter(([name]) => name.startsWith("compile")).map(([, { command }]) => command).join("\n")
      : text.replaceAll(/^\s*(?:\/?\*|\/\/|#).*$/gm, "");
    assert(!/(?:\s|")(?:-A|--allow-all|--allow-ffi)\b/.test(shipped), file);
  }
});

Deno.test("release.yml and the Dockerfile use one Deno for binaries", async () => {
  const { env } = parse(await Deno.readTextFile(join(ROOT, ".github/workflows/release.yml"))) as {
    readonly env: { readonly DENO_VERSION: string };
  };
  assertEquals(instructions[0], `ARG DENO_IMAGE=denoland/deno:${env.DENO_VERSION}`);
});
