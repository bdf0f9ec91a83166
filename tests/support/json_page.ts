/**
 * Reads `docs/reference/json.md`, and compares documents with it.
 *
 * @module
 */

import { fromFileUrl } from "@std/path";

/** A field, as the page describes it. */
interface Field {
  /** Such as `["string", "null"]`. */
  readonly types: readonly string[];
  readonly mayBeAbsent: boolean;
}

/** What the page says of one kind of document: fields by their paths, such as `stores[].host`. */
export type Described = ReadonlyMap<string, Field>;

type Row = readonly [path: string, type: string, meaning: string];

const REFERENCE = /\[\w+\]\(#(\w+)\)/;

/** All kinds of documents by their headings, with the parts that they refer to put in. */
export async function readJsonPage(): Promise<ReadonlyMap<string, Described>> {
  const text = await Deno.readTextFile(fromFileUrl(new URL("../../docs/reference/json.md", import.meta.url)));
  const sections = new Map(
    text.split(/^###? /m).slice(1).map((section) => [section.split("\n")[0]!, rowsOf(section)] as const),
  );
  const described = (name: string): Described => {
    const rows = sections.get(name);
    if (rows === undefined) throw new Error(`docs/reference/json.md has no "${name}", which it refers to`);
    return new Map(rows.flatMap(([path, type, meaning]) => {
      const field = {
        types: type.replace(REFERENCE, "object").replace(/ of \w+$/, "").split(" or "),
        mayBeAbsent: /\babsent\b/.test(meaning),
      };
      const part = REFERENCE.exec(type)?.[1];
      if (part === undefined) return [[path, field] as const];
      const within = type.startsWith("array of") ? `${path}[].` : `${path}.`;
      return [
        [path, field] as const,
        ...[...described(part)].map(([name, one]) => [within + name, one] as const),
      ];
    }));
  };
  return new Map(
    [...sections].filter(([, rows]) => rows.length > 0).map(([name]) => [name, described(name)]),
  );
}

function rowsOf(section: string): readonly Row[] {
  return [...section.matchAll(/^\| `([^`]+)` \| (.+?) \| (.*) ?\|$/gm)]
    .map(([, path, type, meaning]) => [path!, type!, meaning!] as const);
}

/** What the page does not say of documents, or says otherwise: one sentence each. */
export function findMisdescribed(documents: readonly unknown[], described: Described): readonly string[] {
  return [...new Set(documents.flatMap((document) => [...faultsOf(document, "", described)]))];
}

function* faultsOf(value: unknown, path: string, described: Described): Generator<string> {
  if (Array.isArray(value)) {
    for (const one of value) yield* faultsOf(one, `${path}[]`, described);
    return;
  }
  if (value === null || typeof value !== "object") return;
  const within = path === "" ? "" : `${path}.`;
  for (const [name, { mayBeAbsent }] of described) {
    const own = name.startsWith(within) && /^\w+$/.test(name.slice(within.length));
    if (own && !mayBeAbsent && !(name.slice(within.length) in value)) yield `${name} is not always there`;
  }
  for (const [name, one] of Object.entries(value)) {
    const field = described.get(within + name);
    if (field === undefined) {
      yield `${within + name} is not described`;
      continue;
    }
    const type = one === null ? "null" : Array.isArray(one) ? "array" : typeof one;
    if (!field.types.includes(type)) yield `${within + name} is ${type}`;
    // Whose names are not fixed: "object of numbers".
    if (
      [...described.keys()].some((key) =>
        key.startsWith(`${within + name}.`) || key.startsWith(`${within + name}[].`)
      )
    ) {
      yield* faultsOf(one, within + name, described);
    }
  }
}

/** Fields that the page describes and that none of the documents has. */
export function findInvented(documents: readonly unknown[], described: Described): readonly string[] {
  const seen = new Set(documents.flatMap((document) => [...pathsOf(document, "")]));
  return [...described.keys()].filter((path) => !seen.has(path));
}

function* pathsOf(value: unknown, path: string): Generator<string> {
  if (Array.isArray(value)) {
    for (const one of value) yield* pathsOf(one, `${path}[]`);
  } else if (value !== null && typeof value === "object") {
    for (const [name, one] of Object.entries(value)) {
      const own = path === "" ? name : `${path}.${name}`;
      yield own;
      yield* pathsOf(one, own);
    }
  }
}
