/**
 * What can go wrong with one command on its way to a store, whichever protocol it is in.
 *
 * @module
 */

/** Code words of errors that a Redis answers instead of doing what it was asked. */
export const REDIS_ERRORS = {
  READONLY: "You can't write against a read only replica.",
  OOM: "command not allowed when used memory > 'maxmemory'.",
  LOADING: "Redis is loading the dataset in memory",
  MOVED: "", // Followed by slot and address, which the proxy adds.
  ASK: "",
  TRYAGAIN: "Multiple keys request during rehashing of slot",
  NOPERM: "this user has no permissions to run the command",
  BUSY: "Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
  CLUSTERDOWN: "The cluster is down",
  NOREPLICAS: "Not enough good replicas to write.",
} as const;

/** Server codes of errors that a Postgres answers: what each means. */
export const POSTGRES_ERRORS = {
  "57P01": "terminating connection due to administrator command",
  "53300": "sorry, too many clients already",
  "40001": "could not serialize access due to concurrent update",
  "55P03": "canceling statement due to lock timeout",
  "40P01": "deadlock detected",
  "53100": "could not extend file: No space left on device",
} as const;

/** A code word of {@linkcode REDIS_ERRORS}. */
export type RedisErrorCode = keyof typeof REDIS_ERRORS;
/** A server code of {@linkcode POSTGRES_ERRORS}. */
export type PostgresErrorCode = keyof typeof POSTGRES_ERRORS;

/** What becomes of one command. */
export type Fault =
  /** It arrives so many milliseconds later, and what follows on its connection after it. */
  | { readonly type: "delay"; readonly ms: number }
  /** It never arrives, and its connection is reset. */
  | { readonly type: "cut" }
  /** It is done, but its answer is lost with the connection: of a COMMIT nobody knows whether it held. */
  | { readonly type: "lost_reply" }
  /** It is done; half of its answer arrives before the connection is reset. */
  | { readonly type: "half_reply" }
  /** It is not done; this is what the server says. */
  | { readonly type: "error"; readonly code: RedisErrorCode | PostgresErrorCode };

/** A command that passes. */
export interface Command {
  /** Counted from 0 over all connections of its proxy. */
  readonly index: number;
  /** Counted from 0: which connection of the proxy it is on. */
  readonly connection: number;
  /**
   * In capitals: of Redis the command, such as `EVALSHA`; of Postgres the first word of the statement, such as `COMMIT`, or
   * `STARTUP` for a connection that begins.
   */
  readonly name: string;
  /** Of Redis its arguments in Latin-1, joined by spaces; of Postgres the statement. */
  readonly text: string;
}

/** Says what becomes of a command, before it is sent on. Null for nothing: it passes. */
export type Decide = (command: Command) => Fault | null | Promise<Fault | null>;
