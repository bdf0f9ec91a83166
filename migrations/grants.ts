/**
 * The least rights that reading, migrating and serving need, as statements for an administrator.
 *
 * @module
 */

import type { StoreName } from "../engine/migration.ts";

/** What somebody may do: look, migrate, or run behind `outpost serve`. */
export type Purpose = "read" | "apply" | "serve";

/** The rights of one user in one store. `PASSWORD` stands for the password. */
export interface Grant {
  readonly purpose: Purpose;
  readonly store: StoreName;
  readonly user: string;
  /** In the order in which they are to be run. */
  readonly statements: readonly string[];
  /** What to know, one sentence. */
  readonly note: string;
}

/** Where the rights are given. */
export interface GrantsOptions {
  readonly database: string;
  /** The database in ClickHouse, or null where there is none. */
  readonly clickhouse: string | null;
  /** True for one that a cluster of replicas holds. @default {false} */
  readonly replicated?: boolean;
  readonly schema: string;
  /** The role that owns the tables: only an owner may change one. */
  readonly owner: string;
}

const USERS: Readonly<Record<Purpose, string>> = {
  read: "outpost_reader",
  apply: "outpost_migrator",
  serve: "outpost_server",
};

/** Everybody has to find the nodes and to learn what a server can do. */
const LOOK =
  "+@read -keys +@connection +info +cluster|info +cluster|nodes +cluster|slots +cluster|countkeysinslot";

const REDIS: Readonly<Record<Purpose, readonly [rights: string, note: string]>> = {
  read: [LOOK, "Reads every key, for the records of a deployment are found among all; writes nothing."],
  apply: [
    `${LOOK} +@write -flushall -flushdb -swapdb +@scripting -script|flush +@transaction +wait +time`,
    "Writes records, bookkeeping and the lock, each in a script that compares first.",
  ],
  serve: [
    `+@all -@admin -@dangerous ${LOOK}`,
    "The check before the start only reads; the rest is what the server itself works with.",
  ],
};

/** What is asked of ClickHouse's own tables: sizes and parts, and for a step what it has to wait for. */
const SYSTEM = {
  read: ["clusters", "disks", "parts", "replicas"],
  apply: [
    "clusters",
    "detached_parts",
    "disks",
    "mutations",
    "parts",
    "parts_columns",
    "processes",
    "replicas",
  ],
};

const CLICKHOUSE_NOTES: Readonly<Record<Purpose, string>> = {
  read: "Reads the application's tables, the bookkeeping and the catalogue.",
  apply: "A step looks at processes, parts and mutations for what it has to wait for.",
  serve: "The check before the start only reads; the rest is what the server itself works with.",
};

function clickhouseStatements(purpose: Purpose, database: string, replicated: boolean): readonly string[] {
  const [user, on] = [USERS[purpose], `\`${database.replaceAll("`", "\\`")}\``];
  const rights = {
    read: "SELECT, SHOW TABLES, SHOW COLUMNS",
    apply: "SELECT, INSERT, SHOW TABLES, SHOW COLUMNS, CREATE TABLE, DROP TABLE, ALTER TABLE",
    serve: "SELECT, INSERT, SHOW TABLES, SHOW COLUMNS",
  }[purpose];
  const system = SYSTEM[purpose === "apply" ? "apply" : "read"];
  return [
    `CREATE USER ${user} IDENTIFIED BY 'PASSWORD'`,
    `GRANT ${rights} ON ${on}.* TO ${user}`,
    ...system.map((table) => `GRANT SELECT ON system.${table} TO ${user}`),
    ...(replicated && purpose === "apply" ? [`GRANT CLUSTER, REMOTE ON *.* TO ${user}`] : []),
  ];
}

/** The rights, by purpose and store. */
export function outpostGrants(
  { database, clickhouse, replicated = false, schema, owner }: GrantsOptions,
): readonly Grant[] {
  const [on, within, as] = [quote(database), quote(schema), quote(owner)];
  const login = (user: string) => [
    `CREATE ROLE ${user} LOGIN PASSWORD 'PASSWORD'`,
    `GRANT CONNECT ON DATABASE ${on} TO ${user}`,
  ];
  const tables = (user: string, rights: string) => [
    `GRANT USAGE ON SCHEMA ${within} TO ${user}`,
    `GRANT ${rights} ON ALL TABLES IN SCHEMA ${within} TO ${user}`,
    `ALTER DEFAULT PRIVILEGES FOR ROLE ${as} IN SCHEMA ${within} GRANT ${rights} ON TABLES TO ${user}`,
  ];
  const postgres: Readonly<Record<Purpose, readonly [statements: readonly string[], note: string]>> = {
    read: [
      [...login(USERS.read), ...tables(USERS.read, "SELECT")],
      "Reads in transactions that the database keeps from writing.",
    ],
    apply: [
      [
        ...login(USERS.apply),
        `GRANT CREATE, USAGE ON SCHEMA ${within} TO ${as}`,
        `GRANT ${as} TO ${USERS.apply}`,
        `ALTER ROLE ${USERS.apply} SET role TO ${as}`,
      ],
      `Works as ${owner}, which owns the database and its tables: no grant lets anybody else change one.`,
    ],
    serve: [
      [...login(USERS.serve), ...tables(USERS.serve, "SELECT, INSERT, UPDATE, DELETE")],
      "The check before the start only reads; the rest is what the server itself works with.",
    ],
  };
  return (["read", "apply", "serve"] as const).flatMap((purpose): Grant[] => {
    const [rights, note] = REDIS[purpose];
    const [statements, postgresNote] = postgres[purpose];
    const user = USERS[purpose];
    const redis = `ACL SETUSER ${user} on >PASSWORD resetkeys ~* resetchannels &* -@all ${rights}`;
    return [
      { purpose, store: "postgres", user, statements, note: postgresNote },
      ...(clickhouse === null ? [] : [{
        purpose,
        store: "clickhouse" as const,
        user,
        statements: clickhouseStatements(purpose, clickhouse, replicated),
        note: CLICKHOUSE_NOTES[purpose],
      }]),
      { purpose, store: "redis", user, statements: [redis], note },
    ];
  });
}

function quote(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
