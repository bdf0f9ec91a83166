/**
 * Schemas of many versions, each kept as its difference to the one before: what a step changes is what a reader sees.
 *
 * A schema is a list of things with names, such as tables, whose columns, constraints and indexes are lists of things with names
 * again. A change to such a list says by name what comes (all of it), what stays with other properties (those alone) and what
 * goes (`null`). Where things that stay change places, the whole new list stands there instead.
 *
 * @module
 */

/** The difference between two schemas, as JSON. */
export type SchemaChange = { readonly [name: string]: unknown } | readonly unknown[];

/** Something with a name: a table, a column, an index. */
interface Thing {
  readonly name: string;
}

/** Properties that are lists of things with names. */
const LISTS: ReadonlySet<string> = new Set(["columns", "constraints", "indexes"]);

/** What has to change for `before` to become `after`. */
export function diffSchema(before: readonly Thing[], after: readonly Thing[]): SchemaChange {
  const change: Record<string, unknown> = {};
  const old = new Map(before.map((thing) => [thing.name, thing]));
  const names = new Set(after.map(({ name }) => name));
  for (const { name } of before) if (!names.has(name)) change[name] = null;
  for (const thing of after) {
    const properties = diffThing(old.get(thing.name), thing);
    if (!old.has(thing.name) || Object.keys(properties).length > 0) change[thing.name] = properties;
  }
  const composed = applyChange(before, change).map(({ name }) => name);
  return composed.join("\0") === after.map(({ name }) => name).join("\0") ? change : after;
}

/**
 * The schemas that the changes lead to, one after each.
 *
 * @param changes The first is the difference to an empty schema.
 */
export function composeSchemas<T extends Thing>(changes: readonly SchemaChange[]): (readonly T[])[] {
  let schema: readonly Thing[] = [];
  // Tables have no order of their own: by name, as they are read.
  return changes.map((change) => (schema = byName(applyChange(schema, change))) as readonly T[]);
}

function diffThing(before: Thing | undefined, after: Thing): Record<string, unknown> {
  const change: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(after)) {
    if (key === "name") continue;
    const old = (before as Record<string, unknown> | undefined)?.[key];
    if (before !== undefined && JSON.stringify(old) === JSON.stringify(value)) continue;
    change[key] = LISTS.has(key) ? diffSchema((old ?? []) as Thing[], value as Thing[]) : value;
  }
  return change;
}

function applyChange(before: readonly Thing[], change: SchemaChange): readonly Thing[] {
  if (Array.isArray(change)) return change as Thing[];
  const changes = new Map(Object.entries(change));
  const kept = before.filter(({ name }) => changes.get(name) !== null).map((thing) =>
    applyProperties(thing, changes.get(thing.name))
  );
  const known = new Set(before.map(({ name }) => name));
  const added = [...changes].filter(([name, value]) => value !== null && !known.has(name))
    .map(([name, value]) => applyProperties({ name }, value));
  return [...kept, ...added];
}

function applyProperties(thing: Thing, properties: unknown): Thing {
  const result: Record<string, unknown> = { ...thing };
  for (const [key, value] of Object.entries((properties ?? {}) as object)) {
    result[key] = LISTS.has(key)
      ? sorted(key, applyChange((result[key] ?? []) as Thing[], value as SchemaChange))
      : value;
  }
  return result as unknown as Thing;
}

/** Columns have an order, everything else goes by name. */
function sorted(key: string, things: readonly Thing[]): readonly Thing[] {
  return key === "columns" ? things : byName(things);
}

function byName(things: readonly Thing[]): readonly Thing[] {
  return things.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
}
