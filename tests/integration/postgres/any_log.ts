/**
 * Logs and writes of any kind, in whatever form the tables have, for properties: IDs that occur twice, deliveries without an event,
 * odd text, times at the ends of what there is.
 *
 * @module
 */

import fc from "fast-check";
import type postgres from "postgres";

type Row = Readonly<Record<string, unknown>>;

/** Something that an application does. */
export type Write =
  | { readonly kind: "event" | "attempt"; readonly row: Row }
  | {
    readonly kind: "remove_event" | "remove_attempt" | "rename_event" | "delay_attempt";
    readonly id: string;
  };

// Neither a text of Postgres nor its JSON has a zero byte; an index has no room for long ones.
const text = fc.string({ unit: "grapheme", maxLength: 12 }).map((any) => any.replaceAll("\0", ""));
const word = fc.oneof(
  fc.constantFrom("", " ", "null", '"', "\\", "[1]", "{}", "'", "$1", "日本語🚀", "\u2028"),
  text,
);
const id = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("", "a", "a ", "ä") },
  { weight: 1, arbitrary: word },
);
const json = fc.jsonValue({ maxDepth: 2 }).map((value) =>
  JSON.parse(JSON.stringify(value).replaceAll("\\u0000", "")) as unknown
).filter((value) => value !== null);
const time = fc.oneof(
  fc.constantFrom(
    "0044-03-15 01:02:03.000001+00 BC",
    "1833-11-24 17:31:44.999999+00",
    "0001-01-01 00:00:00+00",
    "2025-10-26 01:30:00.5+00",
    "9999-12-31 23:59:59.999999+00",
    "10000-01-01 00:00:00.000001+00",
  ),
  fc.tuple(fc.integer({ min: 0, max: 3 }), fc.constantFrom("", ".000001", ".1", ".999999")).map(
    ([second, part]) => `2025-03-30 00:59:0${second}${part}+00`,
  ),
);

/** With all columns that any version has. */
const event = fc.record({
  ...{ id, tenant_id: word, destination_id: word, matched_destination_ids: fc.array(word, { maxLength: 2 }) },
  ...{ time, topic: word, eligible_for_retry: fc.boolean(), data: json, metadata: json },
});
const attempt = fc.record({
  ...{ id, event_id: id, destination_id: word, status: word, time },
  ...{ code: fc.option(word), response_data: fc.option(json), manual: fc.boolean(), attempt: fc.nat(9) },
  ...{
    attempt_number: fc.nat(9),
    tenant_id: word,
    topic: word,
    event_time: time,
    eligible_for_retry: fc.boolean(),
  },
  ...{ event_data: json, event_metadata: json, destination_type: word },
});

const written = (kind: "event" | "attempt") =>
  (kind === "event" ? event : attempt).map((row: Row): Write => ({ kind, row }));

/** What is there in the beginning. */
export const anyLog: fc.Arbitrary<readonly Write[]> = fc.array(
  fc.oneof(written("event"), { weight: 2, arbitrary: written("attempt") }),
  { minLength: 5, maxLength: 40 },
);

/** What is written afterwards. */
export const anyWrites: fc.Arbitrary<readonly Write[]> = fc.array(
  fc.oneof(
    written("event"),
    { weight: 2, arbitrary: written("attempt") },
    fc.record({
      kind: fc.constantFrom("remove_event", "remove_attempt", "rename_event", "delay_attempt"),
      id,
    }),
  ),
  { maxLength: 20 },
);

/** Writes in the form that the tables have now. Rows of a key that is there take its place. */
export async function writeAll(sql: postgres.Sql, writes: readonly Write[]): Promise<void> {
  const [found] = await sql`SELECT to_regclass('attempts') IS NOT NULL AS renamed`;
  const attempts = found!.renamed ? "attempts" : "deliveries";
  for (const write of writes) {
    const table = write.kind.endsWith("event") ? "events" : attempts;
    if ("row" in write) await put(sql, table, write.row);
    else if (write.kind.startsWith("remove")) await sql`DELETE FROM ${sql(table)} WHERE id = ${write.id}`;
    else if (write.kind === "rename_event") {
      await sql`UPDATE events SET id = id || '_', topic = 'renamed' WHERE id = ${write.id}
                   AND NOT EXISTS (SELECT FROM events e WHERE e.id = events.id || '_' AND e.time = events.time)`;
    } else {
      await sql`UPDATE ${
        sql(table)
      } SET time = time + interval '1 microsecond', status = 'late' WHERE id = ${write.id}
                   AND NOT EXISTS (SELECT FROM ${sql(table)} o WHERE o.id = ${write.id} AND o.time > ${
        sql(table)
      }.time)`;
    }
  }
}

async function put(sql: postgres.Sql, table: string, row: Row): Promise<void> {
  const columns = await sql<{ name: string }[]>`SELECT attname AS name FROM pg_attribute
    WHERE attrelid = ${table}::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`;
  const names = columns.map(({ name }) => name).filter((name) => name in row);
  const others = names.filter((name) => name !== "time" && name !== "id").map((name) =>
    `${name} = excluded.${name}`
  );
  await sql.unsafe(
    `INSERT INTO ${table} (${names}) SELECT ${names} FROM jsonb_populate_record(NULL::${table}, $1::text::jsonb)
     ON CONFLICT (time, id) DO UPDATE SET ${others}`,
    [JSON.stringify(row)],
  );
}
