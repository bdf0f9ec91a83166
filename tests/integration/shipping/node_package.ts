/**
 * The library as JSR hands it to Node and Bun: compiled to JavaScript file by file, beside the npm packages it needs.
 *
 * @module
 */

import { dirname, join } from "@std/path";
import { relative } from "node:path";
import ts from "typescript";
import { ROOT } from "./compiler.ts";
import { outcomeOf } from "./outcome.ts";

/** The imports of deno.json: what a bare specifier stands for. */
const { imports } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json"))) as {
  readonly imports: Readonly<Record<string, string>>;
};

/** Name, version and path within the package. */
const PACKAGE = /^npm:(@[^/]+\/[^@/]+|[^@/]+)@([^/]+)(\/.*)?$/;

/** A folder with the compiled package in it. */
export interface NodePackage extends AsyncDisposable {
  readonly path: string;
}

/**
 * Compiles some modules of the checkout and all that they import, and installs the packages from Deno's cache.
 *
 * @param clients Packages of deno.json that only the application imports.
 */
export async function compileForNode(
  entries: readonly string[],
  clients: readonly string[],
): Promise<NodePackage> {
  const path = await Deno.makeTempDir({ prefix: "outpost-node-" });
  const dispose = () => Deno.remove(path, { recursive: true });
  try {
    const packages = new Map<string, string>();
    for (const client of clients) packageOf(client, packages);
    const seen = new Set<string>();
    for (const queue = entries.map((entry) => join(ROOT, entry)); queue.length > 0;) {
      const file = queue.pop()!;
      if (seen.has(file)) continue;
      seen.add(file);
      const target = join(path, relative(ROOT, file));
      await Deno.mkdir(dirname(target), { recursive: true });
      if (!file.endsWith(".ts")) await Deno.copyFile(file, target);
      else queue.push(...await compile(file, target.replace(/\.ts$/, ".js"), packages, path));
    }
    await install(path, packages);
    return { path, [Symbol.asyncDispose]: dispose };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** @returns The files that a module imports. */
async function compile(
  file: string,
  target: string,
  packages: Map<string, string>,
  root: string,
): Promise<string[]> {
  const imported: string[] = [];
  const { outputText } = ts.transpileModule(await Deno.readTextFile(file), {
    // The language level is Node 20's: what is newer must not be in the library.
    compilerOptions: { target: ts.ScriptTarget.ESNext, module: ts.ModuleKind.ESNext },
  });
  /** What a specifier becomes. */
  const resolve = (specifier: string): string => {
    if (specifier.startsWith("node:")) return specifier;
    if (specifier.startsWith(".")) {
      imported.push(join(dirname(file), specifier));
      return specifier.replace(/\.ts$/, ".js");
    }
    if (specifier === "@outpost/migrate") {
      imported.push(join(ROOT, "mod.ts"));
      const to = relative(dirname(target), join(root, "mod.js"));
      return to.startsWith(".") ? to : `./${to}`;
    }
    return packageOf(specifier, packages);
  };
  let rewritten = outputText;
  // From the end, so that positions stay.
  for (const { text, start, end } of specifiers(outputText).toReversed()) {
    rewritten = `${rewritten.slice(0, start)}${JSON.stringify(resolve(text))}${rewritten.slice(end)}`;
  }
  await Deno.writeTextFile(target, rewritten);
  return imported;
}

/** What a module imports, by `import`, `export from` and `import()`, and where that stands, quotes included. */
function specifiers(code: string): { readonly text: string; readonly start: number; readonly end: number }[] {
  const source = ts.createSourceFile("module.js", code, ts.ScriptTarget.ESNext, true);
  const found: { text: string; start: number; end: number }[] = [];
  const visit = (node: ts.Node) => {
    const literal = ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
      ? node.moduleSpecifier
      : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
      ? node.arguments[0]
      : undefined;
    if (literal !== undefined && ts.isStringLiteral(literal)) {
      found.push({ text: literal.text, start: literal.getStart(), end: literal.end });
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** Notes the package of a bare specifier. @returns The specifier by which Node finds it. */
function packageOf(specifier: string, packages: Map<string, string>): string {
  const [, name, version, rest] = PACKAGE.exec(imports[specifier] ?? "") ?? [];
  if (name === undefined) throw new Error(`"${specifier}" is imported, and deno.json does not name it`);
  packages.set(name, version!);
  return `${name}${rest ?? ""}`;
}

/** Lays out `node_modules`. What the checkout uses is in Deno's cache already: nothing is fetched. */
async function install(path: string, packages: ReadonlyMap<string, string>): Promise<void> {
  await Deno.writeTextFile(
    join(path, "package.json"),
    JSON.stringify({ type: "module", dependencies: Object.fromEntries(packages) }),
  );
  await Deno.writeTextFile(join(path, "deno.json"), JSON.stringify({ nodeModulesDir: "auto" }));
  const { code, stderr } = await outcomeOf(Deno.execPath(), { args: ["install", "--quiet"], cwd: path });
  if (code !== 0) throw new Error(`deno install: ${stderr}`);
}
