import { assertEquals } from "@std/assert";
import { dirname, join } from "@std/path";
import {
  entriesOf,
  reachedImports,
  reachedLock,
  reachedPackages,
  wantedFiles,
} from "../../../scripts/build_tree.ts";

async function packageOf(files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(dirname(join(folder, path)), { recursive: true });
    await Deno.writeTextFile(join(folder, path), text);
  }
  return folder;
}

Deno.test("reachedImports() keeps what the code of a module imports, and not what only types need", () => {
  const graph = {
    modules: [
      { dependencies: [{ specifier: "ioredis", code: {} }, { specifier: "only-types" }] },
      { dependencies: [{ specifier: "@std/path/posix", code: {} }, { specifier: "./other.ts", code: {} }] },
      {},
    ],
  };
  const imports = {
    "ioredis": "npm:ioredis@6.0.0",
    "only-types": "npm:only-types@1.0.0",
    "@std/path/": "npm:/deno-std@1.4.0/path/",
    "testcontainers": "npm:testcontainers@11.9.0",
  };
  assertEquals(reachedImports(imports, graph), {
    "ioredis": "npm:ioredis@6.0.0",
    "@std/path/": "npm:/deno-std@1.4.0/path/",
  });
});

Deno.test("reachedPackages() follows dependencies, round in circles too, and leaves what nothing leads to", () => {
  const one = (name: string, ...dependencies: readonly string[]) => ({
    name,
    version: "1.0.0",
    dependencies,
  });
  const npmPackages = {
    "a@1.0.0_b@1.0.0": one("a", "b@1.0.0"),
    "b@1.0.0": one("b", "@c/d@1.0.0", "absent@1.0.0"),
    "@c/d@1.0.0": one("@c/d", "b@1.0.0"),
    "@types/node@22.0.0": one("@types/node"),
  };
  const packages = reachedPackages({ modules: [{ npmPackage: "a@1.0.0_b@1.0.0" }, {}], npmPackages });
  assertEquals([...packages.keys()].sort(), ["@c/d@1.0.0", "a@1.0.0_b@1.0.0", "b@1.0.0"]);

  const integrity = "sha512-x";
  const lock = {
    version: "5",
    specifiers: { "npm:a@1": "1.0.0_b@1.0.0", "npm:/@c/d@1/x": "1.0.0", "npm:@types/node@*": "22.0.0" },
    npm: { "a@1.0.0_b@1.0.0": { integrity }, "@types/node@22.0.0": { integrity } },
  };
  assertEquals(reachedLock(lock, packages), {
    version: "5",
    specifiers: { "npm:a@1": "1.0.0_b@1.0.0", "npm:/@c/d@1/x": "1.0.0" },
    npm: { "a@1.0.0_b@1.0.0": { integrity } },
  });
});

Deno.test("entriesOf() names the modules of a package that is imported by path alone", () => {
  const imports = {
    "@std/path": "npm:deno-std@1.4.0/path/mod.js",
    "@std/yaml": "npm:deno-std@1.4.0/yaml/mod.js",
    "ley": "npm:ley@0.8.1",
    "ley/util": "npm:ley@0.8.1/lib/util.js",
  };
  assertEquals(entriesOf("deno-std", imports), ["path/mod.js", "yaml/mod.js"]);
  assertEquals(entriesOf("ley", imports), []);
  assertEquals(entriesOf("absent", imports), []);
});

Deno.test("wantedFiles() keeps code, data and licences, and leaves declarations, maps and documentation", async () => {
  const folder = await packageOf({
    "package.json": "{}",
    "LICENSE": "",
    "license.md": "",
    "README.md": "",
    "index.js": "",
    "index.d.ts": "",
    "index.js.map": "",
    "lib/code.cjs": "",
    "lib/data.json": "",
    "docs/guide.md": "",
  });
  try {
    const expected = ["LICENSE", "index.js", "lib/code.cjs", "lib/data.json", "license.md", "package.json"];
    assertEquals((await wantedFiles(folder, [])).sort(), expected);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("wantedFiles() follows every kind of import from the entries of a package imported by path", async () => {
  const folder = await packageOf({
    "package.json": "{}",
    "yaml/mod.js": `export * from "./parse.js";\nexport {\n  a,\n} from './b.js';\n`,
    "yaml/parse.js": `import "../internal/side.js";\nconst c = await import("./c.js");\n`,
    "yaml/b.js": "",
    "yaml/c.js": `import d from"./../internal/d.js"`,
    "yaml/unused.js": "",
    "internal/side.js": `export * from "../yaml/mod.js";`,
    "internal/d.js": "",
    "csv/mod.js": "",
  });
  try {
    assertEquals((await wantedFiles(folder, ["yaml/mod.js"])).sort(), [
      "internal/d.js",
      "internal/side.js",
      "package.json",
      "yaml/b.js",
      "yaml/c.js",
      "yaml/mod.js",
      "yaml/parse.js",
    ]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("wantedFiles() keeps all code when an entry is not a file of the package", async () => {
  const folder = await packageOf({ "package.json": "{}", "a.js": "", "b.js": "" });
  try {
    assertEquals((await wantedFiles(folder, ["a"])).sort(), ["a.js", "b.js", "package.json"]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
