/**
 * The statements that fill one part, keep it in step, and compare it with what it is made of. A key travels as a JSON array that the
 * database itself writes: nothing of a time is lost on the way.
 *
 * @module
 */

import { type KeyColumn, listOf, type Part, type Source } from "./describe.ts";

/** The key of a row as JSON. */
function keyJson(key: readonly KeyColumn[], alias = ""): string {
  return `jsonb_build_array(${listOf(key, alias)})`;
}

/** The columns of a key in JSON. */
function keyFrom(key: readonly KeyColumn[], json: string): string {
  return key.map(({ type }, index) => `(${json} ->> ${index})::${type}`).join(", ");
}

/** A parameter that holds JSON. */
const json = (number: number) => `($${number}::text::jsonb)`;

/** Query for the last key of a source, as JSON; none where it has no rows. */
export function highestKey({ leaf, key }: Source): string {
  const order = key.map(({ name }) => `${name} DESC`).join(", ");
  return `SELECT ${keyJson(key)}::text AS key FROM ${leaf} ORDER BY ${order} LIMIT 1`;
}

/** Query for the key at which a batch ends. Parameters: the highest key, rows in a batch and, if there is one, the key before. */
export function nextKey({ leaf, key }: Source, begun: boolean): string {
  const columns = listOf(key);
  return `SELECT ${keyJson(key)}::text AS key
  FROM (SELECT ${columns} FROM ${leaf}
         WHERE (${columns}) <= (${keyFrom(key, json(1))})${
    begun ? ` AND (${columns}) > (${keyFrom(key, json(3))})` : ""
  }
         ORDER BY ${columns} LIMIT $2::int) AS batch
 ORDER BY ${key.map(({ name }) => `${name} DESC`).join(", ")} LIMIT 1`;
}

/** Fills rows in a range of keys. Parameters: the last key and, if there is one, the key before the first. */
export function fillRange(part: Part, begun: boolean): string {
  const { key } = part.source;
  const columns = listOf(key);
  return insert(
    part,
    `(${columns}) <= (${keyFrom(key, json(1))})${
      begun ? ` AND (${columns}) > (${keyFrom(key, json(2))})` : ""
    }`,
  );
}

/** Takes away what was made of some rows. Parameter: a list of keys. */
export function removeKeys({ source: { key }, into }: Part): string {
  const same = (alias: string) => `(${listOf(key, alias)}) = (${listOf(key, "keys")})`;
  if (into.kind === "table") {
    return `${keysOf(key)}\nDELETE FROM ${into.table} AS made USING keys WHERE ${same("made")}`;
  }
  return `${keysOf(key)}, gone AS (
  DELETE FROM ${into.map} AS made USING keys WHERE ${same("made")} RETURNING kept_id
)
DELETE FROM ${into.table} AS kept USING gone WHERE kept.${into.id} = gone.kept_id`;
}

/** Makes it of the rows as they are now. Parameter: a list of keys. */
export function fillKeys(part: Part): string {
  const { key } = part.source;
  return insert(part, `(${listOf(key)}) IN (SELECT ${listOf(key)} FROM keys)`, keysOf(key));
}

/** Query for the keys of rows that follow keys of another table. Parameter: a list of those. */
export function followingKeys({ source, follows }: Part, followed: Source): string {
  return `${keysOf(followed.key)}
SELECT ${keyJson(source.key)}::text AS key FROM ${source.leaf}
 WHERE ${follows!.by} IN (SELECT ${follows!.column} FROM keys)`;
}

/** Takes noted keys out, in the order of their numbers. Parameters: how many at most, and a number below the first. */
export function takeNotes({ notes, key }: Source): string {
  return `DELETE FROM ${notes.table}
 WHERE number IN (SELECT number FROM ${notes.table} WHERE number > $2::bigint ORDER BY number LIMIT $1::int)
RETURNING number::text AS number, ${keyJson(key)}::text AS key`;
}

/** Query for the rows in which what was made differs from what would be made now, but for those that are noted. */
export function differences(part: Part, sources: readonly Source[]): string {
  const { source: { key, notes, leaf }, into, columns, rows, follows } = part;
  const followed = sources.find(({ table }) => table === follows?.table);
  const names = [...new Set([...key.map(({ name }) => name), ...columns])];
  const made = into.kind === "table"
    ? into.table
    : `(SELECT ${listOf(key, "map")}, ${
      columns.map((column) => `kept.${column}`).join(", ")
    } FROM ${into.map} AS map LEFT JOIN ${into.table} AS kept ON kept.${into.id} = map.kept_id)`;
  const noted = [
    `SELECT ${listOf(key)} FROM ${notes.table}`,
    ...(followed === undefined ? [] : [
      `SELECT ${listOf(key)} FROM ${leaf} WHERE ${follows!.by} IN (SELECT ${
        follows!.column
      } FROM ${followed.notes.table})`,
    ]),
  ];
  const of = (alias: string) => names.map((column) => `${alias}.${column}`).join(", ");
  const either = key.map(({ name }) => `coalesce(wanted.${name}, made.${name})`).join(", ");
  return `SELECT count(*)::text AS n
  FROM (SELECT ${names.join(", ")} FROM (${rows}) AS source) AS wanted
  FULL JOIN ${made} AS made ON ${key.map(({ name }) => `wanted.${name} = made.${name}`).join(" AND ")}
 WHERE (${of("wanted")}) IS DISTINCT FROM (${of("made")})
   AND NOT EXISTS (SELECT FROM (${noted.join(" UNION ALL ")}) AS noted WHERE (${
    listOf(key, "noted")
  }) = (${either}))`;
}

function keysOf(key: readonly KeyColumn[]): string {
  const columns = key.map(({ name, type }, index) => `(value ->> ${index})::${type} AS ${name}`).join(", ");
  return `WITH keys AS MATERIALIZED (SELECT ${columns} FROM jsonb_array_elements(${json(1)}))`;
}

/** Gives the number of rows that were made. */
function insert({ source: { key }, rows, columns, into }: Part, where: string, first = "WITH"): string {
  const head = first === "WITH" ? first : `${first},`;
  const list = columns.join(", ");
  const done = into.kind === "table"
    ? `done AS (
  INSERT INTO ${into.table} (${list})
  SELECT ${list} FROM (${rows}) AS source WHERE ${where} RETURNING 1
)`
    : `wanted AS MATERIALIZED (
  SELECT ${listOf(key)}, ${list}, nextval(pg_get_serial_sequence('${into.table}', '${into.id}')) AS kept_id
    FROM (${rows}) AS source WHERE ${where}
), kept AS (
  INSERT INTO ${into.table} (${into.id}, ${list}) SELECT kept_id, ${list} FROM wanted
), done AS (
  INSERT INTO ${into.map} (${listOf(key)}, kept_id) SELECT ${listOf(key)}, kept_id FROM wanted RETURNING 1
)`;
  return `${head} ${done}\nSELECT count(*)::text AS n FROM done`;
}
