/** Every page can be found from the README, every link leads somewhere, and every command in a page can be typed. */

import { assert, assertEquals } from "@std/assert";
import { fromFileUrl, join, normalize } from "@std/path";
import { COMMANDS } from "../../../cli/commands.ts";
import { parseLine } from "../../../cli/line/program.ts";

const ROOT = fromFileUrl(new URL("../../../", import.meta.url));

async function* pages(folder = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(ROOT, folder))) {
    const path = join(folder, name);
    if (isDirectory && (folder !== "" || ["docs", "examples", "bench", "deploy"].includes(name))) {
      yield* pages(path);
    } else if (name.endsWith(".md")) yield path;
  }
}

const textOf = (path: string) => Deno.readTextFile(join(ROOT, path));

/** Code is no prose: what looks like a link there is none. */
const prose = (text: string) =>
  text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]()]/g, ""));

/** Anchors as forges make them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.replace(/^```.*?^```/gms, "").matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
  );
}

async function linksOf(
  path: string,
): Promise<readonly (readonly [file: string, anchor: string | undefined])[]> {
  const found = [...prose(await textOf(path)).matchAll(/\]\(([^)\s]+)\)/g)].map(([, target]) => target!);
  return found.filter((target) => !/^[a-z]+:/.test(target)).map((target) => {
    const [file, anchor] = target.split("#");
    return [file === "" ? path : normalize(join(path, "..", file!)), anchor] as const;
  });
}

Deno.test("every link in a page leads to a file and a heading that there are", async () => {
  const dead: string[] = [];
  for await (const page of pages()) {
    for (const [file, anchor] of await linksOf(page)) {
      const text = await textOf(file).catch(() => null);
      const isFolder = text === null && await Deno.stat(join(ROOT, file)).then(() => true, () => false);
      if (text === null && !isFolder) dead.push(`${page}: ${file}`);
      else if (anchor !== undefined && !anchorsOf(text ?? "").includes(anchor)) {
        dead.push(`${page}: ${file}#${anchor}`);
      }
    }
  }
  assertEquals(dead, []);
});

Deno.test("every page of docs/ is reached from the README by links", async () => {
  const reached = new Set(["README.md"]);
  for (const page of reached) {
    if (!page.endsWith(".md")) continue;
    for (const [file] of await linksOf(page)) reached.add(file);
  }
  const orphans: string[] = [];
  for await (const page of pages()) if (page.startsWith("docs/") && !reached.has(page)) orphans.push(page);
  assertEquals(orphans, []);
});

/** What stands for a value in a page. */
const EXAMPLES: Readonly<Record<string, string>> = {
  FILE: "plan.json",
  VERSION: "5",
  N: "5",
  ID: "sql/5",
  COMMAND: "true",
};

/** Commands in the fenced shell blocks of a page, one a line, with continued lines joined. */
function commandsIn(text: string): readonly string[] {
  return [...text.matchAll(/^```sh\n(.*?)^```/gms)].flatMap(([, block]) =>
    block!.replace(/\\\n\s*/g, " ").split("\n").map((line) => line.replace(/\s+#.*$/, "").trim())
  ).filter((line) => line !== "" && !line.startsWith("#"));
}

Deno.test("every outpost command that a page shows can be typed as it stands", async () => {
  let seen = 0;
  for await (const page of pages()) {
    if (page === "CHANGELOG.md") continue;
    const text = await textOf(page);
    const inline = [...text.replace(/^```.*?^```/gms, "").matchAll(/`(outpost [^`\n]+)`/g)].map(([, line]) =>
      line!
    );
    for (const line of [...commandsIn(text), ...inline]) {
      const command = /(?:^|&& |\| |\()outpost (?!complete )([^|&;>)]*)/.exec(line)?.[1]?.trim();
      // A few words that tell a group of commands, or leave something open.
      if (command === undefined || COMMANDS.some(({ path }) => path === command)) continue;
      if (/\.\.\.|^(migrate|serve)?$|[[{<]/.test(command)) continue;
      const words = command.split(/\s+/).map((word) => EXAMPLES[word] ?? word.replace(/^["'$]+|["']+$/g, ""));
      try {
        const parsed = parseLine(words, COMMANDS, "1.0.0", {});
        if (parsed.kind === "command") parsed.command.prepare(parsed.input);
      } catch (error) {
        throw new Error(`${page}: outpost ${command}: ${(error as Error).message}`);
      }
      seen++;
    }
  }
  assert(seen > 25, String(seen));
});

/** Programs that pages run besides, each with where it is tried, or why it cannot be here. */
const OTHERS: Readonly<Record<string, string>> = {
  "./dev": "tests of the demo and of every task are CI's own steps",
  ".ci/run": "is what runs this",
  deno: "tests/integration/shipping",
  docker: "needs a Docker engine: tests/integration/shipping/image_test.ts",
  kubectl: "needs a cluster: the files are checked by tests/integration/shipping/manifests_test.ts",
  helm: "tests/integration/shipping/manifests_test.ts",
  kustomize: "tests/integration/shipping/manifests_test.ts",
  npx: "needs the registry",
  git: "is no command of this project",
  install: "copies a file",
  cd: "changes the folder",
  cp: "copies a file",
  alias: "names a command that tests/integration/shipping/jsr_test.ts runs",
  export: "sets variables",
  psql: "is Postgres' own",
  "redis-cli": "is Redis' own",
  "redis-server": "tests/integration/cli/first_migration_test.ts",
  sha256sum: "reads what a release brings",
  gh: "asks the forge of a release",
  source: "tests/integration/cli/completions_test.ts",
};

Deno.test("every other program in a page is known, with where it is tried or why it cannot be", async () => {
  const unknown: string[] = [];
  for await (const page of pages()) {
    for (const line of commandsIn(await textOf(page))) {
      const program = line.replace(/^(?:[A-Z_0-9]+=\S* )+/, "").split(" ")[0]!;
      if (program !== "outpost" && !(program in OTHERS) && !line.includes("outpost ")) {
        unknown.push(`${page}: ${line}`);
      }
    }
  }
  assertEquals(unknown, []);
});
