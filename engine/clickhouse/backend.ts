/**
 * ClickHouse as a store of the engine.
 *
 * @module
 */

import { ClickHouseError } from "@clickhouse/client";
import type { SqlBackend, SqlSession } from "../sql_backend.ts";
import { RefusedError } from "../errors.ts";
import { hint } from "../hint.ts";
import type { Blocker } from "../blocker.ts";
import { StepBackend } from "../sql/step_backend.ts";
import {
  type Findings,
  isBeyond,
  isIncomplete,
  type PendingChanges,
  type StepStore,
  type StoreView,
} from "../sql/step_store.ts";
import type { SqlSteps } from "../sql/step.ts";
import { type ClickHouseTables, type Recorder, select, tableExists } from "./bookkeeping.ts";
import type { ClickHouseClient } from "./client.ts";
import { type ClickHouseScope, clusterClient, expandFor, findClusterBlockers } from "./cluster.ts";
import { findDependants } from "./dependants.ts";
import { connectionError, toldByClickHouse } from "./errors.ts";
import { findRightsBlockers } from "./rights.ts";
import { findRowDangers } from "./row_dangers.ts";
import { type ClickHouseTable, compareTables, readTables } from "./schema.ts";
import { ClickHouseSession } from "./session.ts";
import { readStanding } from "./standing.ts";

/** What the backend works with. */
export interface ClickHouseBackendOptions extends SqlSteps<readonly ClickHouseTable[]>, ClickHouseScope {
  /** Owned by the caller. */
  readonly client: ClickHouseClient;
  /** Names of the tool's tables, prefix included. */
  readonly tables: ClickHouseTables;
  readonly recorder: Recorder;
  /** What tells this database from another, without secrets, for example host and database. */
  readonly identity: string;
}

/**
 * Creates the backend. Nothing is contacted yet.
 *
 * @throws {RegistryError} When the steps have gaps, repeats or empty ones, or schemas are missing.
 */
export function createClickHouseBackend(options: ClickHouseBackendOptions): SqlBackend {
  return new StepBackend(new ClickHouseStore(options), options);
}

/** A table or a column is not there that the recorded version has. */
const GONE: ReadonlySet<string> = new Set(["10", "16", "47", "60"]);

class ClickHouseStore implements StepStore {
  readonly name = "clickhouse";
  readonly #options: ClickHouseBackendOptions;

  constructor(options: ClickHouseBackendOptions) {
    this.#options = options.cluster === null
      ? options
      : { ...options, client: clusterClient(options.client) };
  }

  async read<T>(action: string, work: (view: StoreView) => Promise<T>): Promise<T> {
    const { client, tables, identity, prefix } = this.#options;
    try {
      return await work({
        counter: { rows: (query) => this.#count(query), bytes: (table) => this.#bytes(table) },
        held: () => null,
        fold: () => Promise.resolve({ fold: null, apart: [] }),
        assertTrusted: () => Promise.resolve(),
        untrusted: () => Promise.resolve([]),
        standing: () => readStanding(client, tables, identity).catch((error) => this.#refuseBooks(error)),
        holds: async (question) => await this.#one(question) !== 0,
        hasTable: (name) => tableExists(client, prefix + name),
        blockers: (pending) => this.#blockers(pending),
        blockersDown: (_version, changes) => {
          return findDependants(client, changes, prefix, this.#options.schemas.flat());
        },
        findings: (version) => this.#findings(version),
      });
    } catch (error) {
      const known = connectionError(error, `Cannot ${action} ClickHouse`);
      if (!(known instanceof ClickHouseError) || !GONE.has(known.code)) throw known;
      throw new RefusedError(`Cannot ${action} ClickHouse: ${toldByClickHouse(known)}`, {
        cause: known,
        hint: hint`The tables are not what the recorded version says: see what differs with ${"verify"}`,
      });
    }
  }

  /** No way leads on from what cannot be read where every command begins. */
  #refuseBooks(error: unknown): never {
    if (!(error instanceof ClickHouseError) || !GONE.has(error.code)) throw error;
    const { bookkeeping, history } = this.#options.tables;
    throw new RefusedError(`Cannot read ${bookkeeping} and ${history}: ${toldByClickHouse(error)}`, {
      cause: error,
      hint:
        "One of the two has not the columns that it is made with: give them back, or take it out of a backup",
    });
  }

  connect(): Promise<SqlSession> {
    const expand = (statement: string) => this.expand(statement);
    return Promise.resolve(new ClickHouseSession({ ...this.#options, expand }));
  }

  /** ClickHouse has no locks: the lease in Redis guards it. */
  activity(): Promise<null> {
    return Promise.resolve(null); // Nobody holds a lock there.
  }

  lockOwner(): Promise<null> {
    return Promise.resolve(null);
  }

  shows(version: number): boolean {
    const { schemas } = this.#options;
    return compareTables(schemas[version - 1]!, schemas[version - 2] ?? []).length > 0;
  }

  expand(text: string): string {
    return expandFor(this.#options, text);
  }

  async #findings(version: number): Promise<Findings> {
    const { client, prefix } = this.#options;
    const schemas = this.#options.schemas.map((tables) =>
      tables.map((table) => ({ ...table, name: prefix + table.name }))
    );
    const expected = schemas[version - 1]!;
    const { faults, warnings } = await findRowDangers(client, expected.map(({ name }) => name));
    const found = await readTables(client, [...new Set(schemas.flat().map(({ name }) => name))]);
    return {
      faults: [...compareTables(expected, found), ...faults],
      warnings,
      incomplete: isIncomplete(expected, found),
      beyond: isBeyond(schemas, version, found),
    };
  }

  /** Rights, replicas, and room: a rewrite needs the table's size again, for as long as it takes; merges only the parts that they work on. */
  async #blockers({ rewritten, changes }: PendingChanges): Promise<readonly Blocker[]> {
    const { client, tables, schemas, prefix } = this.#options;
    const all = schemas.at(-1)!.map(({ name }) => prefix + name);
    const own = [tables.bookkeeping, tables.history];
    const blockers = [
      ...await findRightsBlockers(client, { own, tables: all, cluster: this.#options.cluster }),
    ];
    // Whoever may not look at the server's own tables is told that, and no more.
    if (!blockers.some(({ object }) => object.startsWith("system."))) {
      const app = schemas.at(-1)!.map((table) => table.name);
      blockers.push(...await findClusterBlockers(client, this.#options, { own, app, rewritten }));
      blockers.push(...await findDependants(client, changes, prefix, schemas.flat()));
    }
    for (const table of rewritten) {
      const name = prefix + table;
      const need = await this.#bytes(table);
      const [disk] = await select<{ free: string | number }>(
        client,
        `SELECT sum(free_space) AS free FROM system.disks WHERE name IN (
          SELECT disk_name FROM system.parts WHERE active AND database = currentDatabase() AND table = {name:String})`,
        { name },
      );
      const free = Number(disk?.free ?? 0);
      if (need <= free) continue;
      blockers.push({
        store: "clickhouse",
        kind: "disk",
        object: name,
        detail: `Writing ${name} anew needs ${need} bytes on disk, of which ${free} are free`,
        hint: "Make room on the disks of the table",
      });
    }
    return blockers;
  }

  /** @returns Null where a step that was cut off has taken away already what it is asked of: the rest of it goes on without. */
  async #count(query: string): Promise<number | null> {
    try {
      return await this.#one(query);
    } catch (error) {
      if (!(error instanceof ClickHouseError) || !GONE.has(error.code)) throw error;
      const { client, tables, identity } = this.#options;
      if ((await readStanding(client, tables, identity)).cutOff === null) throw error;
      return null;
    }
  }

  async #one(query: string): Promise<number> {
    const [row] = await select<Record<string, string | number>>(this.#options.client, this.expand(query));
    return Number(Object.values(row ?? {})[0] ?? 0);
  }

  async #bytes(table: string): Promise<number> {
    const [row] = await select<{ bytes: string | number }>(
      this.#options.client,
      "SELECT sum(bytes_on_disk) AS bytes FROM system.parts WHERE active AND database = currentDatabase() AND table = {name:String}",
      { name: this.#options.prefix + table },
    );
    return Number(row?.bytes ?? 0);
  }
}
