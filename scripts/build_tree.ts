/**
 * What goes into the binary, and nothing else: the packages that main.ts reaches, and of those the files that can run.
 *
 * `deno compile` embeds every package that the configuration and the lock file name, with declarations, source maps and
 * documentation. So it is given a configuration, a lock file and a package cache of its own, cut down to what is needed.
 *
 * @module
 */

import { dirname, join } from "node:path";

/** What `deno compile` is given instead of the project's own. */
export interface BuildTree {
  /** Path of the configuration: the imports that main.ts reaches. */
  readonly config: string;
  /** Path of the lock file: the project's, with the same hashes. */
  readonly lock: string;
  /** For `DENO_DIR`: a cache with the files that can run. */
  readonly cache: string;
}

/** The part of `deno info --json FILE` that is used here. */
export interface ModuleGraph {
  readonly modules: readonly {
    readonly dependencies?: readonly { readonly specifier: string; readonly code?: unknown }[];
    /** Set where the module is an entry of a package. */
    readonly npmPackage?: string;
  }[];
  readonly npmPackages: Readonly<Record<string, NpmPackage>>;
}

/** A resolved package; the IDs of others are the keys of the graph's list. */
interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly dependencies: readonly string[];
}

/** The part of a lock file that is used here. */
export interface LockFile {
  readonly specifiers: Readonly<Record<string, string>>;
  readonly npm: Readonly<Record<string, unknown>>;
}

const RUNNABLE = /\.(?:js|cjs|mjs|json|wasm|node)$/;
/** A licence has to travel with the code it is for. */
const LICENCE = /^(?:licen[cs]e|notice)(?:[.-].*)?$/i;

/**
 * Prepares the tree.
 *
 * @param root Folder of the project.
 * @param directory An empty folder for the tree; its owner removes it.
 */
export async function makeBuildTree(root: string, directory: string): Promise<BuildTree> {
  const tree = {
    config: join(directory, "deno.json"),
    lock: join(directory, "deno.lock"),
    cache: join(directory, "cache"),
  };
  const main = join(root, "main.ts");
  const project = JSON.parse(await Deno.readTextFile(join(root, "deno.json")));
  const modules = await readInfo<ModuleGraph>(root, "--no-npm", main);
  const imports = reachedImports(project.imports, modules);
  await Deno.writeTextFile(tree.config, JSON.stringify({ imports, nodeModulesDir: "none" }));
  await Deno.copyFile(join(root, "deno.lock"), tree.lock);

  const settings = [`--config=${tree.config}`, `--lock=${tree.lock}`];
  await runDeno(root, "cache", "--no-check", ...settings, main);
  const graph = await readInfo<ModuleGraph>(root, ...settings, main);
  const { denoDir, npmCache } = await readInfo<{ denoDir: string; npmCache: string }>(root);
  const packages = reachedPackages(graph);
  const lock = JSON.parse(await Deno.readTextFile(tree.lock)) as LockFile;
  await Deno.writeTextFile(tree.lock, JSON.stringify(reachedLock(lock, packages)));
  await copyPackages(npmCache, join(tree.cache, "npm"), [...packages.values()], imports);
  await shareDownloads(join(denoDir, "dl"), join(tree.cache, "dl"));
  return tree;
}

/** The entries of an import map that the code of some module uses; types alone do not count. */
export function reachedImports(
  imports: Readonly<Record<string, string>>,
  graph: Pick<ModuleGraph, "modules">,
): Record<string, string> {
  const specifiers = new Set(
    graph.modules.flatMap(({ dependencies = [] }) =>
      dependencies.filter(({ code }) => code !== undefined).map(({ specifier }) => specifier)
    ),
  );
  return Object.fromEntries(
    Object.entries(imports).filter(([name]) =>
      specifiers.has(name) || (name.endsWith("/") && [...specifiers].some((one) => one.startsWith(name)))
    ),
  );
}

/** The packages that some module leads to, directly or through others, by ID. Types that a lock file keeps are none of them. */
export function reachedPackages({ modules, npmPackages }: ModuleGraph): Map<string, NpmPackage> {
  const reached = new Map<string, NpmPackage>();
  const queue = modules.flatMap(({ npmPackage }) => npmPackage ?? []);
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    const found = npmPackages[id];
    if (found === undefined || reached.has(id)) continue;
    reached.set(id, found);
    queue.push(...found.dependencies);
  }
  return reached;
}

/** A lock file with these packages alone, and their hashes as they were. */
export function reachedLock<T extends LockFile>(lock: T, packages: ReadonlyMap<string, unknown>): T {
  // `npm:ioredis@6.0.0` and what it was resolved to, `6.0.0`, make the ID `ioredis@6.0.0`.
  const isReached = ([specifier, version]: [string, string]) =>
    packages.has(`${specifier.replace(/^npm:\/?/, "").replace(/(?!^)@.*$/, "")}@${version}`);
  return {
    ...lock,
    specifiers: Object.fromEntries(Object.entries(lock.specifiers).filter(isReached)),
    npm: Object.fromEntries(Object.entries(lock.npm).filter(([id]) => packages.has(id))),
  };
}

async function copyPackages(
  from: string,
  to: string,
  packages: readonly NpmPackage[],
  imports: Readonly<Record<string, string>>,
): Promise<void> {
  for await (const registry of Deno.readDir(from)) {
    if (!registry.isDirectory) continue;
    for (const { name, version } of packages) {
      const source = join(from, registry.name, name);
      if (!await exists(join(source, version))) continue;
      const target = join(to, registry.name, name);
      await Deno.mkdir(target, { recursive: true });
      if (await exists(join(source, "registry.json"))) {
        await Deno.copyFile(join(source, "registry.json"), join(target, "registry.json"));
      }
      const wanted = await wantedFiles(join(source, version), entriesOf(name, imports));
      for (const file of wanted) {
        await Deno.mkdir(dirname(join(target, version, file)), { recursive: true });
        await Deno.copyFile(join(source, version, file), join(target, version, file));
      }
    }
  }
}

/** The modules of a package that are imported by path; empty when the package is imported by its name. */
export function entriesOf(name: string, imports: Readonly<Record<string, string>>): string[] {
  const entries: string[] = [];
  for (const target of Object.values(imports)) {
    const [, path] = new RegExp(`^npm:/?${name}@[^/]+(?:/(.*))?$`).exec(target) ?? [];
    if (path !== undefined) entries.push(path);
    else if (new RegExp(`^npm:/?${name}@`).test(target)) return [];
  }
  return entries;
}

/**
 * Files of an unpacked package that can run, by their path in it. Of a package that is imported by path, such as a standard
 * library, only the modules that those entries lead to.
 */
export async function wantedFiles(folder: string, entries: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for await (const path of walk(folder)) {
    const name = path.slice(path.lastIndexOf("/") + 1);
    if (RUNNABLE.test(name) || LICENCE.test(name)) files.push(path);
  }
  if (entries.length === 0 || !entries.every((entry) => files.includes(entry))) return files;
  const reached = await reachedModules(folder, entries);
  return files.filter((path) => !/\.[cm]?js$/.test(path) || reached.has(path));
}

async function reachedModules(folder: string, entries: readonly string[]): Promise<Set<string>> {
  const reached = new Set<string>();
  const queue = [...entries];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    const code = await Deno.readTextFile(join(folder, path));
    for (
      const [, specifier] of code.matchAll(/(?:\bfrom|\bimport|\bimport\()\s*["'](\.{1,2}\/[^"']+)["']/g)
    ) {
      queue.push(new URL(specifier!, `file:///${path}`).pathname.slice(1));
    }
  }
  return reached;
}

async function* walk(folder: string, prefix = ""): AsyncGenerator<string> {
  for await (const { name, isDirectory } of Deno.readDir(join(folder, prefix))) {
    if (isDirectory) yield* walk(folder, `${prefix}${name}/`);
    else yield `${prefix}${name}`;
  }
}

/** Lets the bases that Deno has downloaded already, or downloads now, serve the next time too. */
async function shareDownloads(from: string, to: string): Promise<void> {
  await Deno.mkdir(from, { recursive: true });
  // A junction needs no privilege on Windows, and is a plain link elsewhere.
  await Deno.symlink(from, to, { type: "junction" });
}

async function readInfo<T>(root: string, ...args: readonly string[]): Promise<T> {
  return JSON.parse(await runDeno(root, "info", "--json", ...args)) as T;
}

async function runDeno(root: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args: [...args], cwd: root })
    .output();
  if (!success) throw new Error(`deno ${args[0]} failed: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.stat(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
