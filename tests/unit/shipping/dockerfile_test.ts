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

const PINNED = /^[a-z0-9./-]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$/;

Deno.test("Dockerfile: both bases are build arguments, pinned by tag and digest", () => {
  const bases = instructions.slice(0, 2).map((line) => /^ARG (\w+)=(\S+)$/.exec(line)!.slice(1));
  assertEquals(bases.map(([name, image]) => [name, image!.split("@")[0]]), [
    ["DENO_IMAGE", "denoland/deno:2.4.2"],
    ["BASE_IMAGE", "gcr.io/distroless/cc-debian12:nonroot"],
  ]);
  for (const [, image] of bases) assertMatch(image!, PINNED);
  assertEquals(instructions.filter((line) => line.startsWith("FROM ")), [
    "FROM ${DENO_IMAGE} AS build",
    "FROM ${BASE_IMAGE}",
  ]);
});

Deno.test("compose: the stores are pinned by tag and digest", async () => {
  const { services } = parse(await Deno.readTextFile(join(ROOT, "deploy/compose.yaml"))) as {
    readonly services: Readonly<Record<string, { readonly image: string }>>;
  };
  for (const name of ["postgres", "redis"]) {
    assertMatch(/^\$\{\w+:-(\S+)\}$/.exec(services[name]!.image)![1]!, PINNED);
  }
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
  assert(instructions[0]!.startsWith(`ARG DENO_IMAGE=denoland/deno:${env.DENO_VERSION}@`));
});
