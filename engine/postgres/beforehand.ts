/**
 * Builds the index of a step before its transaction, while the application reads and writes; and takes away what a run that was cut
 * off left of that.
 *
 * @module
 */

import type { IndexBeforehand } from "../sql/step_beforehand.ts";
import { statementsWith } from "../sql/step_beforehand.ts";
import type { SqlStep } from "../sql/step.ts";
import type { SqlRunOptions } from "../sql_backend.ts";
import { withoutTransaction } from "./concurrent_step.ts";
import type { PostgresOptions } from "./options.ts";
import type { PinnedConnection } from "./pinned_connection.ts";
import { type Query, quoteIdentifier, tableNamed } from "./query.ts";
import { stepId } from "./step_id.ts";
import type { StepRecords } from "./step_records.ts";
import type { TransactionRunner } from "./transaction.ts";

/** How fast an index is built at the least, for how long those are waited for who keep it from its end: bytes in a millisecond. */
const BYTES_PER_MS = 10_000;

/** Does so on one connection. */
export class Beforehand {
  readonly #connection: PinnedConnection;
  readonly #options: PostgresOptions;
  readonly #transactions: TransactionRunner;
  readonly #records: StepRecords;

  constructor(
    connection: PinnedConnection,
    options: PostgresOptions,
    transactions: TransactionRunner,
    records: StepRecords,
  ) {
    this.#connection = connection;
    this.#options = options;
    this.#transactions = transactions;
    this.#records = records;
  }

  /**
   * Builds what is not built yet. An index that a run which was cut off left half done is built anew.
   *
   * @returns Options for the rest of the step, whose statements are counted on from there.
   * @throws {StepFailedError} When somebody keeps it from its end for too long. What is done stays.
   */
  async build(step: SqlStep, options: SqlRunOptions): Promise<SqlRunOptions> {
    const { beforehand } = step;
    if (beforehand === undefined) return options;
    const { table, column, make, over } = beforehand;
    const count = statementsWith(beforehand).length;
    const counted = (first: number): SqlRunOptions => ({
      ...options,
      onStatement: (index, _, text) => options.onStatement?.(first + index, count, text),
    });
    const id = stepId(step);
    await this.#transactions.run(id, counted(0), async (query, run) => {
      await this.#records.prepare(query, step, "up");
      if (!await isMade(query, beforehand)) await run(make);
    });
    const alone = await withoutTransaction(this.#connection, this.#options, id, options);
    const next = async () => (await alone<Leaf>(NEXT_LEAF, [table, column]))[0];
    // A partition may be attached while others get their index.
    for (let leaf = await next(); leaf !== undefined; leaf = await next()) {
      const text = `CREATE INDEX CONCURRENTLY ${
        quoteIdentifier(`${column}_${leaf.oid}`)
      } ON ${leaf.name} ${over}`;
      options.onStatement?.(make.length, count, text);
      await alone("SELECT set_config('lock_timeout', $1::text, false)", [this.#patienceFor(leaf)]);
      if (leaf.broken !== null) await alone(`DROP INDEX CONCURRENTLY ${leaf.broken}`);
      await alone(text);
    }
    return counted(make.length + 1);
  }

  /**
   * Takes away what a run left that was cut off: of all steps, but for one that would go on with it.
   *
   * @param going Version of the step that is about to run by itself, or null.
   */
  async takeAway(going: number | null, options: SqlRunOptions): Promise<void> {
    for (const { step } of this.#options.steps) {
      if (step.beforehand === undefined || step.version === going) continue;
      for (const table of await findLeft(this.#query, step.beforehand.column)) {
        const column = quoteIdentifier(step.beforehand.column);
        await this.#transactions.run(`the end of what ${stepId(step)} began`, options, (_, run) =>
          run([
            {
              text: `LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`,
              locks: { tables: [table], mode: "ACCESS EXCLUSIVE" },
            },
            { text: `ALTER TABLE ${table} DROP COLUMN IF EXISTS ${column}` },
          ]));
      }
    }
  }

  readonly #query: Query = (text, parameters) => this.#connection.query(text, parameters);

  /** Nobody is kept waiting meanwhile: so those who are in the way may take as long as the work, which would be lost with it. */
  #patienceFor({ bytes }: Leaf): string {
    const { lockTimeoutMs = 1000, lockRetries = 10 } = this.#options;
    if (lockTimeoutMs === 0) return "0";
    return String(Math.round(lockTimeoutMs * (lockRetries + 1) + Number(bytes) / BYTES_PER_MS));
  }
}

/** True where the column is there under the name that it has until the step. */
export async function isMade(
  query: Query,
  { table, column }: Pick<IndexBeforehand, "table" | "column">,
): Promise<boolean> {
  const [found] = await query<{ made: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_attribute
       WHERE attrelid = ${tableNamed("$1::text")} AND attname = $2::text AND NOT attisdropped) AS made`,
    [table, column],
  );
  return found!.made;
}

/** Tables of the schema that have the column, but for partitions, which have it from their table. */
async function findLeft(query: Query, column: string): Promise<readonly string[]> {
  const rows = await query<{ name: string }>(LEFT, [column]);
  return rows.map(({ name }) => name);
}

/** What columns are called that steps make beforehand. */
export function columnsBeforehand(steps: readonly { readonly step: SqlStep }[]): readonly string[] {
  return steps.flatMap(({ step }) => step.beforehand?.column ?? []);
}

/** Names what was made for steps that another tool did then. @param steps Those that are applied. */
export async function findLeftBehind(query: Query, steps: readonly SqlStep[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const step of steps) {
    if (step.beforehand === undefined) continue;
    const column = quoteIdentifier(step.beforehand.column);
    for (const table of await findLeft(query, step.beforehand.column)) {
      found.push(
        `Column ${column} of ${table} is left of a run of ${
          stepId(step)
        } that was cut off, and costs each insert: ` +
          `ALTER TABLE ${table} DROP COLUMN ${column} takes it away with its index`,
      );
    }
  }
  return found;
}

interface Leaf {
  readonly name: string;
  readonly oid: string;
  readonly bytes: string;
  /** An index that is not valid, or null. */
  readonly broken: string | null;
}

const NEXT_LEAF = `
  SELECT c.oid::regclass::text AS name, c.oid::text AS oid, pg_relation_size(c.oid)::text AS bytes,
         (SELECT i.indexrelid::regclass::text FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey) LIMIT 1) AS broken
    FROM pg_partition_tree(${tableNamed("$1::text")}) t
    JOIN pg_class c ON c.oid = t.relid AND c.relkind = 'r'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2::text
   WHERE t.isleaf AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey) AND i.indisvalid)
   ORDER BY c.oid LIMIT 1`;

const LEFT = `
  SELECT c.oid::regclass::text AS name
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
   WHERE a.attname = $1::text AND NOT a.attisdropped AND a.attinhcount = 0
     AND c.relnamespace = quote_ident(current_schema())::regnamespace
   ORDER BY 1`;
