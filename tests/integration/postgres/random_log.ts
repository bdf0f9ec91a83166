/**
 * A log at version 4 with everything that old data may hold: orphans, IDs that occur twice, nulls, odd text, times with fractions
 * and from long ago.
 *
 * @module
 */

import type postgres from "postgres";

const WORDS = [
  "",
  " ",
  "a",
  "Ä ö",
  "日本語",
  '"quoted"',
  "\\",
  "tab\tline\n",
  "{}",
  "[1]",
  "null",
  "e_1",
  "'",
  "%s",
  "🚀",
  "-",
  "0",
];

/** What a payload may be once it is text: anything. */
const TEXTS = [
  '{"b": 1,  "a": 2, "a": 3}',
  "not json",
  "",
  " ",
  '{"n": 1e400}',
  '"\\u0000"',
  "long ".repeat(3000),
];

/** Writes events and attempts in the form of a version from 5 on, twins and events without a destination among them. */
export async function writeAtRandom(sql: postgres.Sql, version: number): Promise<void> {
  const texts = version < 6 ? ['{"b": 1, "a": [null]}', "null", '""', "[]"] : TEXTS;
  for (const [i, data] of texts.entries()) {
    const word = WORDS[i % WORDS.length]!;
    const answer = version < 9 ? [null, "null", '{"z": 1, "y": {}}'][i % 3]! : data;
    const event = {
      id: i % 3 === 0 ? "late_twin" : `late_${i}`,
      tenant_id: word,
      time: `2025-10-26T0${i % 4}:30:00.123456Z`,
      topic: word,
      eligible_for_retry: i % 2 === 0,
      data,
      metadata: "{}",
      ...(version < 7
        ? { destination_id: i % 2 === 0 ? "" : word }
        : { matched_destination_ids: [word, ""] }),
    };
    await sql`INSERT INTO events ${sql(event)}`;
    await sql`INSERT INTO attempts ${
      sql({
        id: `late_${i}`,
        event_id: event.id,
        destination_id: word,
        status: word,
        time: event.time,
        response_data: answer,
        tenant_id: word,
        topic: word,
        event_time: event.time,
        eligible_for_retry: true,
        event_data: data,
        event_metadata: "{}",
        ...(version < 8 ? {} : { destination_type: word }),
      })
    }`;
  }
}

/** Fills it. The same seed gives the same log. */
export async function fillAtRandom(sql: postgres.Sql, seed: number): Promise<void> {
  const session = await sql.reserve();
  try {
    await session.unsafe(`SELECT setseed(${seed % 100 / 100})`);
    const words = [...WORDS, "long ".repeat(600)].map((word) => `$w$${word}$w$`).join(", ");
    await session.unsafe(`
      CREATE FUNCTION pg_temp.word() RETURNS text VOLATILE LANGUAGE sql AS $f$
        SELECT (ARRAY[${words}])[1 + floor(random() * ${WORDS.length + 1})::int] $f$`);
    const word = "pg_temp.word()";
    const time = `timestamptz '2025-03-30 00:00:00+00' + random() * 10000000 * interval '1 second'
      - CASE WHEN random() < 0.02 THEN interval '60 years' ELSE interval '0' END`;
    const json = `CASE floor(random() * 5)::int
      WHEN 0 THEN jsonb_build_object('z', i, 'a', ${word}, '', NULL) WHEN 1 THEN to_jsonb(${word})
      WHEN 2 THEN '[1, 2.50, 1e5, true, null]'::jsonb WHEN 3 THEN 'null'::jsonb ELSE jsonb_build_object('n', random()) END`;
    await session.unsafe(`
      INSERT INTO events (id, tenant_id, destination_id, time, topic, eligible_for_retry, data, metadata)
      SELECT CASE WHEN random() < 0.1 THEN 'twin_' || i % 5 ELSE 'e_' || i END, ${word}, ${word}, ${time}, ${word},
             random() < 0.5, ${json}, ${json}
        FROM generate_series(1, 400) i ON CONFLICT DO NOTHING`);
    await session.unsafe(`
      INSERT INTO deliveries (id, event_id, destination_id, status, time, code, response_data, manual, attempt)
      SELECT 'd_' || i % 390, CASE WHEN random() < 0.1 THEN 'twin_' || i % 5 WHEN random() < 0.2 THEN 'gone_' || i ELSE 'e_' || i % 400 END,
             ${word}, ${word}, ${time}, CASE WHEN random() < 0.3 THEN NULL ELSE ${word} END,
             CASE WHEN random() < 0.3 THEN NULL ELSE ${json} END, random() < 0.1, floor(random() * 9)::int
        FROM generate_series(1, 500) i ON CONFLICT DO NOTHING`);
    // Deliveries of an event to a destination of its own.
    await session.unsafe(`UPDATE deliveries d SET destination_id = e.destination_id FROM events e
      WHERE e.id = d.event_id AND d.id LIKE '%7'`);
    await session.unsafe(`
      INSERT INTO event_delivery_index (event_id, delivery_id, tenant_id, destination_id, event_time, delivery_time, topic, status)
      SELECT event_id, id, ${word}, destination_id, ${time}, time, ${word}, status FROM deliveries ON CONFLICT DO NOTHING`);
    await session.unsafe("DROP FUNCTION pg_temp.word()");
  } finally {
    session.release();
  }
}
