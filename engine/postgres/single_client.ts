/**
 * Clients of one connection.
 *
 * @module
 */

import postgres from "postgres";

/** Any client of Postgres. */
export type Client = postgres.Sql<Record<string, unknown>>;

/** A client with the same settings and one connection, which lives as long as it is needed. @param onclose Told of the end of a connection. */
export function singleClient(source: Client, onclose: () => void = () => {}): Client {
  const options = {
    ...source.options,
    max: 1,
    idle_timeout: null,
    max_lifetime: null,
    fetch_types: false,
    prepare: false,
    transform: { undefined: undefined, column: {}, value: {}, row: {} },
    parameters: {},
    shared: { retries: 0, typeArrayMap: {} },
    onnotice: () => {},
    onclose,
  };
  // Settings that were parsed once are taken as they are, which the declarations do not tell.
  return postgres(options as unknown as postgres.Options<Record<string, postgres.PostgresType>>);
}
