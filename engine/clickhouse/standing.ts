/**
 * Where a ClickHouse database stands between its version table and our history.
 *
 * @module
 */

import type { StorePlace } from "../migration.ts";
import { type CutOff, findRounded, type RecordedStep, type Standing } from "../sql/standing.ts";
import {
  type ClickHouseTables,
  type HistoryRow,
  readHistory,
  readVersion,
  type RecordedVersion,
} from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";

/** Reads both tables. */
export async function readStanding(
  client: ClickHouseClient,
  tables: ClickHouseTables,
  identity: string,
): Promise<Standing> {
  const [recorded, history] = await Promise.all([readVersion(client, tables), readHistory(client, tables)]);
  const cutOff = cutOffOf(recorded, history);
  return {
    version: cutOff === null ? recorded.version : cutOff.version - (cutOff.direction === "up" ? 1 : 0),
    dirty: recorded.dirty && cutOff === null,
    cutOff,
    history: appliedOf(history),
    faults: findRounded(recorded.text ?? "0"),
    identity,
    place: placeOf(identity),
  };
}

/** @param identity As `host:port/database`. */
function placeOf(identity: string): StorePlace {
  const [, host, port, database] = /^(.*?)(?::(\d+))?(?:\/([^/]*))?$/.exec(identity)!;
  return {
    host: host!,
    port: port === undefined ? null : Number(port),
    database: database ?? "",
    schema: null,
  };
}

/**
 * Tells a dirty version that a run of ours left, which the next run repairs, from one of another tool, which a person must.
 *
 * @returns Null for a clean version, and for a dirty one that is not ours.
 */
export function cutOffOf(recorded: RecordedVersion, history: readonly HistoryRow[]): CutOff | null {
  if (!recorded.dirty) return null;
  const begun = history.findLast((row) => row.sequence === recorded.sequence);
  if (begun?.state === "started") return { version: begun.version, direction: "up" };
  if (begun?.state === "taking_back") return { version: begun.version, direction: "down" };
  return null;
}

/** What counts as applied after all that happened, in the order of recording. Steps of another tool have no history. */
function appliedOf(history: readonly HistoryRow[]): readonly RecordedStep[] {
  let applied: RecordedStep[] = [];
  for (const { version, name, checksum, state, at } of history) {
    if (state === "applied") {
      applied = [...applied.filter((row) => row.version !== version), {
        version,
        name,
        checksum,
        appliedAt: at,
      }];
    } else if (state === "taken_back") applied = applied.filter((row) => row.version < version);
    else if (state === "forced") applied = applied.filter((row) => row.version <= version);
  }
  return applied;
}
