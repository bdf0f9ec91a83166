import { assert, assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";
import { PERMISSIONS } from "../../../scripts/permissions.ts";
import { inheritedEnv } from "../../support/environment.ts";

const DROP = new URL("../../../cli/drop_permissions.ts", import.meta.url).href;
const MAIN = fromFileUrl(new URL("../../../main.ts", import.meta.url));

/** What a dependency of the program could do with these arguments on the command line. */
async function attempts(args: readonly string[], flags: readonly string[]): Promise<Record<string, boolean>> {
  const script = await Deno.makeTempFile({ suffix: ".ts" });
  const target = await Deno.makeTempFile();
  await Deno.writeTextFile(
    script,
    `import { dropPermissions } from ${JSON.stringify(DROP)};
     dropPermissions(${JSON.stringify(args)});
     const can = async (work: () => unknown) => {
       try { await work(); return true; } catch { return false; }
     };
     console.log(JSON.stringify({
       run: await can(() => new Deno.Command("true").output()),
       write: await can(() => Deno.writeTextFile(${JSON.stringify(target)}, "x")),
       read: await can(() => Deno.readTextFile(${JSON.stringify(target)})),
     }));`,
  );
  try {
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "--no-check", "--no-config", ...flags, script],
      clearEnv: true,
      env: inheritedEnv(),
      stdin: "null",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(script);
    await Deno.remove(target);
  }
}

Deno.test("a command can start no program and write no file, unless it was asked to", async () => {
  for (const flags of [PERMISSIONS, ["-A", "--no-prompt"]]) {
    for (
      const [line, expected] of [
        ["migrate status", { run: false, write: false }],
        ["migrate apply --yes -- serve --out x", { run: false, write: false }],
        ["migrate plan --out plan.json", { run: false, write: true }],
        ["migrate verify --html=page.html", { run: false, write: true }],
        ["serve --wait 5m -- true", { run: true, write: false }],
      ] as const
    ) {
      const found = await attempts(line.split(" "), flags);
      // Deno 2.4 takes back the right to write only where it was granted by itself, as it is wherever the program is shipped.
      const keepsWriting = flags.includes("-A") && Deno.version.deno.startsWith("2.4.");
      const said = `${line}: ${flags.join(" ")}`;
      assertEquals(
        { run: found.run, write: found.write },
        keepsWriting ? { ...expected, write: true } : expected,
        said,
      );
      assert(found.read, line);
    }
  }
});

Deno.test("the program drops what it does not need before it loads any dependency", async () => {
  const text = await Deno.readTextFile(MAIN);
  const [before] = text.split("await import(");
  assert(before!.includes("dropPermissions(Deno.args)"));
  // What is loaded statically is the project's own, and loads nothing else.
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", MAIN],
    clearEnv: true,
    env: inheritedEnv(),
  }).output();
  const { modules, roots } = JSON.parse(new TextDecoder().decode(stdout)) as Info;
  const byName = new Map(modules.map((module) => [module.specifier, module]));
  const seen = new Set<string>();
  const visit = (specifier: string) => {
    if (seen.has(specifier)) return;
    seen.add(specifier);
    assert(specifier.startsWith("file:"), `${specifier} is loaded before permissions are dropped`);
    for (const { code, isDynamic } of byName.get(specifier)?.dependencies ?? []) {
      if (code !== undefined && isDynamic !== true) visit(code.specifier);
    }
  };
  for (const root of roots) visit(root);
  assert(seen.size > 3);
});

interface Info {
  readonly roots: readonly string[];
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly isDynamic?: boolean;
      readonly code?: { readonly specifier: string };
    }[];
  }[];
}
