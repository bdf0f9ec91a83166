/**
 * Says whether a row was lost: every acknowledged one must be in the final tables or in the quarantine, once, with all of its
 * values; a delivery whose event was there before it must be an attempt; and a neighbour's rows are as they were.
 *
 * @module
 */

import type postgres from "postgres";
import type { Find } from "../stage.ts";
import type { LogLedger, Row } from "./ledger.ts";

/** Reads wait five seconds at most, and then for what a busy machine takes: this is the wait of one that nothing ends. */
const LONGEST_WAIT_MS = 30_000;

const EVENT = [
  "tenant_id",
  "time",
  "topic",
  "eligible_for_retry",
  "data",
  "metadata",
  "matched_destination_ids",
];
const OWN = ["event_id", "destination_id", "status", "time", "code", "response_data", "manual"];
const ATTEMPT = [
  ...OWN,
  ...[
    "attempt_number",
    "tenant_id",
    "topic",
    "event_time",
    "eligible_for_retry",
    "event_data",
    "event_metadata",
  ],
];
const DELIVERY = [...OWN, "attempt"];
/** Columns that came later, with the version that brought them: a row from before has none, and on the way down they go. */
const LATER: Readonly<Record<string, number>> = {
  code: 2,
  response_data: 2,
  manual: 4,
  attempt: 4,
  attempt_number: 4,
};
const INDEX_SINCE = 3;

/** Compares what was acknowledged with a database at the latest version. */
export async function judgeLog(sql: postgres.Sql, ledger: LogLedger): Promise<Find[]> {
  const finds: Find[] = [];
  const complain = (key: string, what: string) => finds.push({ key, what });
  const events = groupBy(await rowsOf(sql, "events"), "id");
  for (const [id, row] of ledger.events) {
    judgeRow(`event ${id}`, events.get(id) ?? [], [row], EVENT, complain);
  }
  const attempts = groupBy(await rowsOf(sql, "attempts"), "id");
  const kept = await quarantined(sql, "deliveries");
  for (const [id, { row, columns, shadowed, hasEvent }] of ledger.deliveries) {
    const written = (name: string) =>
      LATER[name] === undefined ||
      (ledger.lowest >= LATER[name] &&
        (columns.includes(name) ||
          (name.startsWith("attempt") && columns.some((one) => one.startsWith("attempt")))));

    const [there, aside] = [attempts.get(id) ?? [], kept.get(id) ?? []];
    const name = `delivery ${id}`;
    if (hasEvent && aside.length > 0) {
      complain(name, "it is in the quarantine, though its event was there in time");
    }
    const wanted = shadowed === null ? [row] : [row, shadowed];
    if (there.length + aside.length !== wanted.length) {
      complain(name, `it is in attempts ${there.length} times and in the quarantine ${aside.length} times`);
    }
    judgeRow(name, there, wanted, ATTEMPT.filter(written), complain, true);
    judgeRow(name, aside, wanted, DELIVERY.filter(written), complain, true);
  }
  for (const id of ledger.forgotten) {
    if (attempts.has(id) || kept.has(id)) complain(`delivery ${id}`, "it was deleted and is back");
  }
  const index = await quarantined(sql, "event_delivery_index");
  for (const [key, row] of ledger.lowest < INDEX_SINCE ? [] : ledger.indexRows) {
    const columns = Object.keys(row).filter((name) => ledger.lowest >= (LATER[name] ?? 0));
    judgeRow(`index row ${key}`, index.get(key) ?? [], [row], columns, complain);
  }
  for (const refusal of ledger.refusals) complain("the application", `it was refused: ${refusal}`);
  for (const wait of ledger.waits) {
    if (wait > LONGEST_WAIT_MS) complain("the application", `a read waited ${Math.round(wait)} ms`);
  }
  return finds;
}

/** Each row that is there must be one of those wanted, and without `few` there must be as many. */
function judgeRow(
  name: string,
  found: readonly Row[],
  wanted: readonly Row[],
  columns: readonly string[],
  complain: (key: string, what: string) => void,
  few = false,
): void {
  if (!few && found.length !== wanted.length) {
    return complain(name, found.length === 0 ? "LOST: it is nowhere" : `it is there ${found.length} times`);
  }
  for (const row of found) {
    const differing = wanted.map((one) => columns.filter((column) => !same(row[column], one[column])));
    if (differing.some((names) => names.length === 0)) continue;
    const [names] = differing;
    const [first] = names!;
    complain(
      name,
      `${names!.join(", ")} changed: ${first} is ${JSON.stringify(row[first!])}, was ${
        JSON.stringify(wanted[0]![first!])
      }`,
    );
  }
}

/** JSON may be stored as text since versions 6 and 9. */
function same(found: unknown, wanted: unknown): boolean {
  return canonical(found) === canonical(wanted) ||
    (typeof found === "string" && typeof wanted === "object" &&
      canonical(parse(found)) === canonical(wanted));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function canonical(value: unknown): string {
  return JSON.stringify(
    value,
    (_, part) =>
      typeof part === "object" && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([one], [other]) => one < other ? -1 : 1))
        : part,
  ) ?? "nothing";
}

async function rowsOf(sql: postgres.Sql, table: string): Promise<Row[]> {
  const rows = await sql.unsafe<{ row: Row }[]>(`select to_jsonb(t) as row from ${table} t`);
  return rows.map(({ row }) => row);
}

async function quarantined(sql: postgres.Sql, table: string): Promise<Map<string, Row[]>> {
  const [found] = await sql`select to_regclass('outpost_quarantine') as name`;
  if (found!.name === null) return new Map();
  const rows = await sql<{ row: Row }[]>`select row from outpost_quarantine where source_table = ${table}`;
  return groupBy(
    rows.map(({ row }) =>
      table === "deliveries" ? row : { ...row, id: `${row.event_id} ${row.delivery_id}` }
    ),
    "id",
  );
}

function groupBy(rows: readonly Row[], column: string): Map<string, Row[]> {
  const groups = new Map<string, Row[]>();
  for (const row of rows) groups.set(String(row[column]), [...groups.get(String(row[column])) ?? [], row]);
  return groups;
}

/** Everything of the other Outpost in `public`, to be compared. Empty where there is none. */
export async function readNeighbour(sql: postgres.Sql, schema: string): Promise<string> {
  if (schema === "public") return "";
  const rows = await sql.unsafe(`
    select 'row' as kind, to_jsonb(e)::text as text from public.events e
    union all select 'quarantine', to_jsonb(q)::text from public.outpost_quarantine q
    union all select 'object', relkind::text || ' ' || relname::text from pg_class where relnamespace = 'public'::regnamespace
    union all select 'constraint', conname::text from pg_constraint where connamespace = 'public'::regnamespace
    union all select 'version', to_jsonb(v)::text from public.schema_migrations v
    order by 1, 2`);
  return JSON.stringify(rows);
}
