/** Every command of the documentation is run as it is written, over real stores; what cannot be run here says why. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join } from "@std/path";
import { COMMANDS } from "../../cli/commands.ts";
import type { CliResult } from "../support/cli.ts";
import { World } from "./advice/world.ts";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Pages whose blocks are followed, with what each block that runs the program begins with. */
const BEGINS: Readonly<Record<string, readonly ("old" | "planned" | "current")[]>> = {
  "README.md": ["old", "old", "old"],
  "docs/deploy.md": ["old", "old", "old"],
  "docs/install.md": ["old", "old", "old"],
  "docs/upgrade.md": ["planned", "current", "current"],
};

/** Lines that end otherwise than with 0, as the words beside them say. */
const STATUS: Readonly<Record<string, number>> = { "outpost migrate plan --check": 1 };

/** What a line begins with that is not run here, and why. */
const NOT_RUN: Readonly<Record<string, string>> = {
  "export ": "the stores of the test stand for those that it names",
  "cd ": "leads to files that the lines after it need",
  "cp ": "makes a file for the lines after it",
  "./dev ":
    "runs the demo or tests, this one among them; the program in integration/cli/first_migration_test.ts",
  ".ci/run": "runs this test",
  "DENO_VERSION=": "runs tests",
  "OUTPOST_TESTS_": "runs tests",
  "deno task torture": "goes on for minutes; tests/torture does the same for seconds",
  "deno task small": "goes on for minutes; tests/torture/small plays a part of it in seconds",
  "deno task mutate": "goes on for minutes",
  "deno run -A examples/shop": "integration/engine/library_test.ts",
  "redis-server ": "integration/cli/first_migration_test.ts",
  "redis-cli ": "integration/cli/first_migration_test.ts",
  "sha256sum ": "needs the files of a release",
  "gh ": "needs a release",
  "install ": "needs the files of a release; integration/shipping/binary_test.ts runs the binary",
  "alias ": "a name for a line that is run below it",
  "docker build ": "needs a Docker engine: integration/shipping/image_test.ts",
  "docker compose ": "needs a Docker engine: integration/shipping/image_test.ts",
  "helm ": "needs a cluster: integration/shipping/manifests_test.ts renders what it installs",
  "kubectl delete ": "needs a cluster",
  "kubectl apply ": "needs a cluster: integration/shipping/manifests_test.ts",
  "kubectl wait ": "needs a cluster",
};

/** What runs the program in other clothes: the rest of the line is its arguments. */
const PROGRAM = [
  /^outpost /,
  /^docker run .*?hookdeck\/outpost\S* /,
  /^kubectl run .* -- /,
  /^deno run PERMISSIONS \S*jsr:@outpost\/migrate\/cli /,
  /^deno run PERMISSIONS .*URL\/main\.ts /,
];

/** What stands for a value is given one. */
const EXAMPLES: Readonly<Record<string, string>> = {
  ...{ FILE: "plan.json", VERSION: "8", N: "1", ID: "sql/5", KEY: "tenant:acme", NAME: "fields" },
};

/** What is meant as a name, and is no whole command. */
const NAMES: readonly string[] = ["migrate", "migrate resolve"];

/** What no command of the documentation may end with. */
const MISTAKES = /\[(usage|settings_invalid|unknown_migration|internal)\]/;

async function pages(): Promise<Map<string, string>> {
  const found: [path: string, text: string][] = [];
  for (const folder of ["", "docs/"]) {
    for await (const { name } of Deno.readDir(join(ROOT, folder))) {
      const path = folder + name;
      if (!name.endsWith(".md") || name === "CHANGELOG.md") continue;
      found.push([path, await Deno.readTextFile(join(ROOT, path))]);
    }
  }
  return new Map(found.sort());
}

/** The lines of each block of shell, without comments, continued ones as one. */
function blocksOf(text: string): readonly (readonly string[])[] {
  return [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, block]) =>
    block!.replaceAll(/\\\n\s*/g, "").split("\n").map((line) => line.replace(/(^|\s)#.*/, "").trim())
      .filter((line) => line !== "")
  );
}

/** The arguments of the program, or null for another one. */
function argumentsOf(line: string): string | null {
  const written = PROGRAM.find((pattern) => pattern.test(line));
  return written === undefined ? null : line.replace(written, "");
}

/** As somebody on a terminal runs it who says yes; files go into the world's folder. */
async function follow(world: World, line: string): Promise<CliResult> {
  const words = line.split(" ").map((word) => EXAMPLES[word] ?? word).join(" ");
  return await world.outpost(words.replace(/\b[\w.]+\.(?:json|html)\b/g, "FOLDER/$&"), {
    answers: ["y", "y"],
    env: { NO_COLOR: "1" },
    programFolder: world.folder,
  });
}

Deno.test("documentation", async (t) => {
  await using world = await World.start();
  const texts = await pages();
  const server = `${world.folder}/outpost-server`;
  await Deno.writeTextFile(server, "#!/bin/sh\nexit 0\n", { mode: 0o755 });

  const met = new Set<string>();
  for (const [path, text] of texts) {
    const begins = [...BEGINS[path] ?? []];
    for (const block of blocksOf(text)) {
      const ours = block.filter((line) => argumentsOf(line) !== null);
      const others = block.filter((line) => !ours.includes(line));
      for (const line of others) {
        const known = Object.keys(NOT_RUN).find((start) => line.startsWith(start));
        if (known === undefined) throw new Error(`${path}: nothing runs "${line}", and nothing says why`);
        met.add(known);
      }
      if (ours.length === 0) continue;
      await t.step(`${path}: ${ours[0]}`, async () => {
        await world.begin();
        const begin = begins.shift();
        if (begin === undefined) throw new Error("say in BEGINS what the block begins with");
        await (begin === "current" ? world.current() : world.old());
        if (begin === "planned") await follow(world, "migrate plan --out plan.json");
        for (const line of ours) {
          const { code, stdout, stderr } = await follow(world, argumentsOf(line)!);
          const expected = STATUS[`outpost ${argumentsOf(line)}`] ?? 0;
          assertEquals(code, expected, `${line}\n${stdout}${stderr}`);
        }
      });
    }
  }
  assertEquals(Object.keys(BEGINS).filter((path) => !texts.has(path)), []);
  assertEquals(Object.keys(NOT_RUN).filter((start) => !met.has(start)), [], "reasons for nothing");

  await t.step("what stands within sentences, and the examples of --help, are commands", async () => {
    await world.begin();
    await world.current();
    const spoken = [...texts.values()].flatMap((text) =>
      [...text.replace(/^```.*?^```/gms, "").matchAll(/`outpost ([^`]*)`/g)].map(([, line]) => line!)
    );
    const shown = COMMANDS.flatMap(({ examples }) => examples)
      .map(({ command }) =>
        command.replace(/^source <\((.*)\)$/, "$1").replace(/ (&&|\||>).*/, "").replace(/^outpost /, "")
      );
    // What writes beside the program has tests of its own; nobody comes for whom one would wait.
    const lines = [...new Set([...spoken, ...shown])].map((line) => line.replaceAll(/\s+/g, " "))
      .filter((line) => !NAMES.includes(line) && !/^migrate new /.test(line))
      .map((line) => line.replace(/(?<=-wait )\S+/, "1ms"));
    const mistakes: string[] = [];
    for (const line of lines) {
      const { stderr } = await follow(world, line);
      if (MISTAKES.test(stderr)) mistakes.push(`outpost ${line}\n${stderr}`);
    }
    assertEquals(mistakes, []);
    assert(lines.length > 50, String(lines.length));
  });
});
