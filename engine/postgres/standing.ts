/**
 * Where a Postgres database stands.
 *
 * @module
 */

import type { CutOff, Standing } from "../sql/standing.ts";
import type { SqlStep } from "../sql/step.ts";
import { type Bookkeeping, type BookkeepingNames, findFaults, readBookkeeping } from "./bookkeeping.ts";
import { whereOf } from "./errors.ts";
import type { Query } from "./query.ts";

/**
 * Reads version, history and what tells this database from another.
 *
 * @param schema The current schema, or null where there is none.
 */
export async function readStanding(
  query: Query,
  schema: string | null,
  names: BookkeepingNames,
  steps: readonly SqlStep[],
  hosts: Hosts,
): Promise<Standing> {
  const [place] = await query<{ database: string; oid: string }>(PLACE);
  const found = await readBookkeeping(query, schema, names);
  const [server] = await query<{ allowed: boolean }>(MAY_IDENTIFY);
  const [system] = server!.allowed
    ? await query<{ id: string }>("SELECT system_identifier::text AS id FROM pg_control_system()")
    : [];
  return {
    version: found.version,
    dirty: found.dirty,
    cutOff: cutOffOf(found),
    history: found.history,
    faults: findFaults(found, steps, names),
    identity: `postgres ${system?.id ?? "unknown"}/${place!.oid} ${place!.database}.${schema ?? ""}`,
    place: { ...addressOf(hosts), database: place!.database, schema },
  };
}

/** Where a client connects to; several hosts are tried in turn. */
type Hosts = { readonly host: readonly string[]; readonly port: readonly number[] };

function addressOf(hosts: Hosts): { readonly host: string; readonly port: number | null } {
  const [host] = hosts.host;
  // Several hosts may come as one, with what each of them is called.
  if (hosts.host.length !== 1 || /^\/|,/.test(host!)) return { host: whereOf(hosts), port: null };
  return { host: host!, port: hosts.port[0] ?? 5432 };
}

/** A step without a transaction that was recorded as begun, and not as done. */
export function cutOffOf({ version, history }: Bookkeeping): CutOff | null {
  const begun = history.find(({ status }) => status === "applying" || status === "reverting");
  if (begun?.status === "applying" && begun.version === version + 1) {
    return { version: begun.version, direction: "up" };
  }
  if (begun?.status === "reverting" && begun.version === version) return { version, direction: "down" };
  return null;
}

const PLACE = `
  SELECT datname AS database, oid::text AS oid FROM pg_database WHERE datname = current_database()`;

const MAY_IDENTIFY = "SELECT has_function_privilege('pg_control_system()', 'EXECUTE') AS allowed";
