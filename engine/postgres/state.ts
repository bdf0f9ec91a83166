/**
 * What the bookkeeping says, as the engine asks for it.
 *
 * @module
 */

import type { SqlState } from "../backend.ts";
import { type MigrationEntry, migrationId, type MigrationStatus } from "../migration.ts";
import type { SqlStep } from "../sql/step.ts";
import { type Bookkeeping, type BookkeepingNames, findDrift, readBookkeeping } from "./bookkeeping.ts";
import type { Query } from "./query.ts";

/** Reads version, history and what tells this database from another. */
export async function readState(
  query: Query,
  steps: readonly SqlStep[],
  names: BookkeepingNames,
): Promise<SqlState> {
  const [place] = await query<{ schema: string | null; database: string; oid: string }>(PLACE);
  const { schema, database, oid } = place!;
  const found = await readBookkeeping(query, schema, names);
  const [server] = await query<{ allowed: boolean }>(MAY_IDENTIFY);
  const [system] = server!.allowed
    ? await query<{ id: string }>("SELECT system_identifier::text AS id FROM pg_control_system()")
    : [];
  return {
    version: found.version,
    latest: steps.length,
    dirty: found.dirty,
    ahead: found.version > steps.length,
    entries: steps.map((step) => entryOf(step, found)),
    drift: findDrift(found, steps, names),
    identity: `postgres ${system?.id ?? "unknown"}/${oid} ${database}.${schema ?? ""}`,
  };
}

const PLACE = `
  SELECT current_schema() AS schema, datname AS database, oid::text AS oid FROM pg_database
   WHERE datname = current_database()`;

const MAY_IDENTIFY = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS allowed";

function entryOf(step: SqlStep, found: Bookkeeping): MigrationEntry {
  const row = found.history.find(({ version }) => version === step.version);
  return {
    id: migrationId("postgres", step.version, step.name),
    store: "postgres",
    version: step.version,
    name: step.name,
    description: step.description,
    ...statusOf(step, found, row?.status),
    appliedAt: step.version <= found.version ? row?.appliedAt ?? null : null,
  };
}

function statusOf(
  { version }: SqlStep,
  found: Bookkeeping,
  recorded: string | undefined,
): { readonly status: MigrationStatus; readonly reason: string | null } {
  if (found.dirty && version === found.version) {
    return { status: "dirty", reason: "Another tool failed in the middle of it" };
  }
  if (recorded === "applying" && version === found.version + 1) {
    return { status: "failed", reason: "It was cut off: the next apply does the rest" };
  }
  if (recorded === "reverting" && version === found.version) {
    return { status: "failed", reason: "Taking it back was cut off: the next down does the rest" };
  }
  return { status: version <= found.version ? "applied" : "pending", reason: null };
}
