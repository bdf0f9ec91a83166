/**
 * Histories of ClickHouse's bookkeeping: golang-migrate and this program take turns, on hosts whose clocks differ, and either may die
 * between two of its rows. What golang-migrate reads is the last word of whoever was last, and the tables are of that version.
 *
 * @module
 */

import type { ClickHouseClient } from "@clickhouse/client";
import { compareTables, readTables } from "../../../engine/clickhouse/schema.ts";
import { clickhouseSchemas } from "../../../migrations/sql/clickhouse.ts";
import { backendOf, prefix, run } from "../../integration/clickhouse/deployment.ts";
import { onHost } from "../faults/host_clock.ts";
import { Random } from "../random.ts";

const LATEST = 3;
const MINUTE_MS = 60_000;
/** How far the clock of this program's host is ahead. Golang-migrate's is right: among wrong ones it loses its own rows. */
const AHEAD_MS = [-1440, -1, 0, 1, 1440].map((minutes) => minutes * MINUTE_MS);
const DIED = "it died";

/** What golang-migrate has recorded last, as it reads that itself. */
interface Standing {
  readonly version: number;
  readonly dirty: boolean;
}

/** Plays one history in an empty database. @returns What is wrong, with what happened until then. */
export async function playBooks(seed: number, client: ClickHouseClient): Promise<string | null> {
  const random = new Random(seed);
  const log: string[] = [];
  let at: Standing = { version: 0, dirty: false };
  for (let turn = random.between(4, 7); turn > 0; turn--) {
    const aheadMs = random.pick(AHEAD_MS);
    const isUp = at.version === 0 || (at.version < LATEST && random.chance(0.6));
    const to = at.version + (isUp ? 1 : -1);
    const dies = random.chance(0.25);
    const isOwn = at.dirty || random.chance(0.5);
    const doing = at.dirty ? `force ${at.version}` : `${isUp ? "up" : "down"} to ${to}`;
    log.push(`${isOwn ? `this program, ${aheadMs} ms ahead` : "golang-migrate"}: ${doing}`);
    if (at.dirty) {
      const { version } = at;
      await onHost(aheadMs, async () => {
        await using session = await backendOf(client).connect();
        await session.force(version);
      });
      at = { version, dirty: false };
    } else if (isOwn) {
      await onHost(aheadMs, () => move(client, at.version, to));
      at = { version: to, dirty: false };
    } else {
      await move(withoutRows(client), at.version, to);
      await record(client, to, true);
      if (!dies) await record(client, to, false);
      else log.push(DIED);
      at = { version: to, dirty: dies };
    }
    const [found, told] = [await standing(client), await backendOf(client).read()];
    const wrong = [
      ...isSame(found, at)
        ? []
        : [`golang-migrate reads ${JSON.stringify(found)}, it is ${JSON.stringify(at)}`],
      ...isSame(told, at) ? [] : [`this program reads ${told.version}, it is ${JSON.stringify(at)}`],
      ...await differences(client, at.version),
    ];
    if (wrong.length > 0) return `seed ${seed}: ${log.join("; ")}: ${wrong.join("; ")}`;
  }
  return null;
}

async function move(client: Parameters<typeof backendOf>[0], from: number, to: number): Promise<void> {
  await using session = await backendOf(client).connect();
  if (to > from) await session.up(to, run());
  else await session.down(from, run());
}

/** The steps without any word of them: golang-migrate writes its own. */
function withoutRows(client: ClickHouseClient): Parameters<typeof backendOf>[0] {
  return {
    query: (request) => client.query(request),
    command: (request) => client.command(request),
    insert: () =>
      Promise.resolve({ executed: false, query_id: "" }) as ReturnType<ClickHouseClient["insert"]>,
    ping: () => client.ping(),
  };
}

async function record(client: ClickHouseClient, version: number, dirty: boolean): Promise<void> {
  // It takes the time in nanoseconds: two rows of one host never have the same.
  await new Promise((resolve) => setTimeout(resolve, 1));
  const sequence = BigInt(Date.now()) * 1_000_000n;
  const values = [version === 0 ? -1 : version, Number(dirty), sequence].join(", ");
  await client.command({ query: `INSERT INTO \`${prefix}schema_migrations\` VALUES (${values})` });
}

async function standing(client: ClickHouseClient): Promise<Standing> {
  const answer = await client.query({
    query: `SELECT version, dirty FROM \`${prefix}schema_migrations\` ORDER BY sequence DESC LIMIT 1`,
    format: "JSONEachRow",
  });
  const [row] = await answer.json<{ version: string; dirty: number }>();
  return { version: Math.max(0, Number(row!.version)), dirty: row!.dirty === 1 };
}

function isSame(one: Standing, other: Standing): boolean {
  return one.version === other.version && one.dirty === other.dirty;
}

async function differences(client: ClickHouseClient, version: number): Promise<string[]> {
  const expected = (clickhouseSchemas[version - 1] ?? []).map((table) => ({
    ...table,
    name: prefix + table.name,
  }));
  return compareTables(expected, await readTables(client, [`${prefix}events`, `${prefix}attempts`]));
}
