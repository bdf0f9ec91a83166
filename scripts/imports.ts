/**
 * Fails when the product's files import one another in a circle, type imports included, or against the direction
 * `main.ts`, `cli/`, `migrations/`, `engine/`.
 *
 * @module
 */

import { fromFileUrl, relative } from "@std/path";

/** What each file imports, by path. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

/** The rooms, from the outermost inwards: each may import from itself and from those after it. */
const ROOMS = ["main.ts", "cli", "migrations", "engine"];

/** Reads what an entry reaches of the files below `root`, as Deno itself resolves it. */
export async function readImports(root: string, entry: string): Promise<ImportGraph> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["info", "--json", entry],
    cwd: root,
  }).output();
  if (!success) throw new Error(`Cannot read the imports of ${entry}: ${new TextDecoder().decode(stderr)}`);
  const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as DenoInfo;
  const ours = (specifier: string) => relative(root, fromFileUrl(specifier)).replaceAll("\\", "/");
  return new Map(
    modules.filter(({ specifier }) => specifier.startsWith("file:")).map((
      { specifier, dependencies = [] },
    ) => [
      ours(specifier),
      dependencies.flatMap(({ code, type }) => code?.specifier ?? type?.specifier ?? [])
        .filter((target) => target.startsWith("file:")).map(ours),
    ]),
  );
}

/** The part of `deno info --json` that is used here. */
interface DenoInfo {
  readonly modules: readonly {
    readonly specifier: string;
    readonly dependencies?: readonly {
      readonly code?: { readonly specifier?: string };
      readonly type?: { readonly specifier?: string };
    }[];
  }[];
}

/** @returns One circle, as the files in their order with the first again at the end; null when there is none. */
export function findCircle(graph: ImportGraph): readonly string[] | null {
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]): readonly string[] | null => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const next of graph.get(file) ?? []) {
      const circle = visit(next, [...path, file]);
      if (circle !== null) return circle;
    }
    done.add(file);
    return null;
  };
  for (const file of graph.keys()) {
    const circle = visit(file, []);
    if (circle !== null) return circle;
  }
  return null;
}

/** @returns Imports from an inner room to an outer one, as `engine/a.ts imports cli/b.ts`. */
export function findOutward(graph: ImportGraph): readonly string[] {
  const room = (file: string) => ROOMS.indexOf(file.split("/")[0]!);
  return [...graph].flatMap(([file, targets]) =>
    targets.filter((target) => room(target) >= 0 && room(target) < room(file)).map((target) =>
      `${file} imports ${target}`
    )
  );
}

if (import.meta.main) {
  const root = fromFileUrl(new URL("..", import.meta.url));
  const graph = new Map((await Promise.all(["main.ts", "mod.ts"].map((entry) => readImports(root, entry))))
    .flatMap((part) => [...part]));
  const circle = findCircle(graph);
  const faults = [...(circle === null ? [] : [`A circle: ${circle.join(" > ")}`]), ...findOutward(graph)];
  for (const fault of faults) await Deno.stderr.write(new TextEncoder().encode(`${fault}\n`));
  if (faults.length > 0) Deno.exit(1);
}
