/**
 * The client that a caller hands in, described by what the engine asks of it: a caller may bring a copy of its own.
 *
 * @module
 */

/** A client of ClickHouse, owned by the caller: `@clickhouse/client`'s own fits. */
export interface ClickHouseClient {
  /**
   * Reads.
   *
   * @param request The statement; its `{name:Type}` are filled from `query_params`.
   * @returns The rows.
   */
  query(request: {
    readonly query: string;
    readonly format: "JSONEachRow";
    readonly query_params: Record<string, unknown>;
    readonly clickhouse_settings?: Record<string, string>;
  }): Promise<{ json(): Promise<unknown> }>;
  /**
   * Runs a statement that returns no rows.
   *
   * @param request The statement; its `{name:Type}` are filled from `query_params`.
   * @returns Nothing that is looked at.
   */
  command(request: {
    readonly query: string;
    readonly query_params?: Record<string, unknown>;
    readonly clickhouse_settings?: Record<string, string>;
  }): Promise<unknown>;
  /**
   * Writes rows.
   *
   * @param request The table, its name quoted, and the rows by column.
   * @returns Nothing that is looked at.
   */
  insert(request: {
    readonly table: string;
    readonly format: "JSONEachRow";
    readonly values: readonly Record<string, unknown>[];
    readonly clickhouse_settings?: Record<string, string>;
  }): Promise<unknown>;
  /** Finds out whether the server is there. @returns Whether it answered. */
  ping(): Promise<{ readonly success: boolean }>;
}
