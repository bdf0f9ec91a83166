/**
 * What to do about an error of the server, by its SQLSTATE. The one place that knows: steps, bookkeeping and reads all ask here.
 *
 * @module
 */

import { type Hint, hint } from "../hint.ts";

/** What tells an error of the server. */
interface Told {
  /** SQLSTATE. */
  readonly code: string;
  readonly hint?: string;
  /** The server's function that found fault. */
  readonly routine?: string;
}

/** What to do next, or undefined where the code tells nothing. */
export function adviceFor(error: Told): string | Hint | undefined {
  if (error.code === "42501") return deniedHint(error);
  if (error.routine === "ExecFindPartition") return NO_PARTITION_HINT;
  return BY_CODE[error.code] ?? BY_CLASS[error.code.slice(0, 2)];
}

/** What to do where the role lacks a right, or a policy would hide rows from it. */
export function deniedHint({ routine, hint }: Told): string {
  if (routine !== "check_enable_rls") {
    return "Grant the role the right, or connect as the owner of the tables";
  }
  const own = hint === undefined
    ? "as the owner of the table or a role with BYPASSRLS"
    : "as a role with BYPASSRLS, or take it off " +
      "for the time of the migration: ALTER TABLE ... NO FORCE ROW LEVEL SECURITY";
  return `Row level security hides rows of that table from this role: connect ${own}`;
}

const NO_PARTITION_HINT =
  "No partition of the table takes a row that is written to it: make or attach one that does, such as one that is DEFAULT, and " +
  "run the same again";
const AGAIN = "Run the same command again";
/** A table, column or other object exists, or is gone, that a step creates or changes. */
const OTHER_MEANS =
  hint`If the database was migrated by other means, set its version by hand with ${"force VERSION"}`;

const BY_CODE: Readonly<Record<string, string | Hint>> = {
  "0A000": hint`Something hangs on the table or the column: see with ${"plan"} what it is`,
  "25006":
    "If the server is a standby, connect to the primary: target_session_attrs=read-write finds it. Else somebody has made the " +
    "server or the database read-only (default_transaction_read_only), perhaps because its disk is full",
  "42701": OTHER_MEANS,
  "42703": OTHER_MEANS,
  "42704": OTHER_MEANS,
  "42710": OTHER_MEANS,
  "42P01": OTHER_MEANS,
  "42P07": OTHER_MEANS,
  "53100":
    "The server's disk is full: make room for a second copy of the tables and for the WAL, and run the same again",
  "53200":
    "The server has no memory left: give it more, or lower work_mem and maintenance_work_mem, and run the same again",
  "53300":
    "No connection is left, of the server (max_connections) or of the role or the database (CONNECTION LIMIT), as it says: end " +
    "some, or allow more, and run the same again",
  "55006": "Somebody uses the table or the database at this moment: run the same again when it is over",
  "55P03": "A long transaction holds the table: end it, or allow more time or more tries for locks",
  "57014":
    "Somebody ended the statement, or it took longer than it may: allow it more time, and run the same again",
};

const BY_CLASS: Readonly<Record<string, string | Hint>> = {
  "08": AGAIN,
  "23":
    hint`Rows are in the way that the new form of the table does not allow: see with ${"plan"} what it is`,
  "40": `${AGAIN}: the server undid it for somebody else's sake`,
  "53": "A limit of the server is reached: raise it, and run the same again",
  "54": "A limit of the server is reached: raise it, and run the same again",
  "57": "The server is shutting down or was told to stop: run the same again when it is back",
  "58": "The server's machine is at fault: see the server's log",
  "XX":
    "The server found a fault of its own, or damaged data: see the server's log before anything is tried again",
};
