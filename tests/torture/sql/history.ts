/**
 * A history of the log store: what is there in the beginning, and what happens in which order.
 *
 * @module
 */

import type { LogDeed } from "../faults/aims.ts";
import { type ChosenFault, describeFault, type Refusal, type RunnerFault } from "../history.ts";

/** How the database is in the beginning. */
export interface Start {
  /** Version that a released Outpost brought it to. */
  readonly version: number;
  /** Its schema. Beside schema `a`, another Outpost lives in `public`, which is in the search path too. */
  readonly schema: "public" | "a";
  /** Somebody made the default partitions by hand, with their columns in another order. */
  readonly reordered: boolean;
  readonly events: number;
  /** Who else the URL names beside the primary; null for nobody. */
  readonly hosts: Hosts | null;
  /** What is set for the roles by which the program and the application connect: assignments. */
  readonly settings: Readonly<Record<"program" | "application", readonly string[]>>;
  /** Operators keep their partitions in a schema of their own. */
  readonly elsewhere: boolean;
}

/** Another host in the URL. */
export interface Hosts {
  /** A standby of the primary, or a place where nothing answers. */
  readonly other: "standby" | "nobody";
  /** It is named before the primary. */
  readonly first: boolean;
  /** `target_session_attrs`; null without. */
  readonly wanted: string | null;
}

/** What the application writes. Which form its rows have, the tables that it finds decide. */
export type LogAction =
  | "event"
  | "delivery"
  | "orphan"
  | "index_row"
  | "late_event"
  | "replay"
  | "forget"
  | "read";

/** What the operator and others do in the database. Most of it lasts until `relax`. */
export type OperatorAction =
  | "long_reader"
  | "prepared_transaction"
  | "partition"
  | "row_security"
  | "view"
  | "detach"
  | "toast"
  | "subscription"
  | "revoke_usage"
  | "relax";

/** One thing that happens. */
export type LogHappening =
  | { readonly type: "application"; readonly action: LogAction; readonly at: number }
  | { readonly type: "operator"; readonly action: OperatorAction; readonly at: number }
  | {
    readonly type: "run";
    readonly runner: number;
    readonly words: readonly string[];
    readonly process: boolean;
  }
  | { readonly type: "runner_fault"; readonly runner: number; readonly fault: ChosenFault<LogDeed> }
  | Refusal
  /** A runner stands still for as long as it takes until the application can read again. */
  | {
    readonly type: "long_freeze";
    readonly runner: number;
    /** As soon as it keeps readers from the application's tables. */
    readonly holding: boolean;
  }
  /** Somebody else has the tables for himself, or the bookkeeping, and a command that only reads is run. */
  | { readonly type: "read_while_locked"; readonly words: readonly string[]; readonly books: boolean }
  /** Something depends on what a step changes, or a partition is detached, and everything is to be applied. */
  | { readonly type: "apply_in_the_way"; readonly what: "view" | "detach"; readonly at: number }
  /** Takes steps back, is disturbed after so many commands, or so many after the first step, and does what the hint says. */
  | {
    readonly type: "down_and_follow";
    readonly begun: boolean;
    readonly steps: number;
    readonly fault: RunnerFault;
    readonly commands: number;
  }
  /** A command shows what it would do (`force` of the version that there is, which would change nothing), and before it is told yes another one does something. */
  | {
    readonly type: "move_after_shown";
    readonly words: readonly string[];
    readonly other: readonly string[];
  }
  /** A plan is saved, a partition added, and the plan carried out. */
  | { readonly type: "save_plan"; readonly at: number }
  /** A reader comes so many commands after a run has begun to keep writers away, and stays for less time than it has worked. */
  | { readonly type: "read_late"; readonly commands: number };

/** A happening and how many commands of the runners pass before it. */
export type LogEvent = LogHappening & { readonly after: number };

/** A whole history. */
export interface LogHistory {
  readonly seed: number;
  readonly start: Start;
  readonly events: readonly LogEvent[];
}

/** A happening in a line, for the log and for stories. */
export function describeLog(event: LogHappening): string {
  switch (event.type) {
    case "application":
      return `application: ${event.action} #${event.at}`;
    case "operator":
      return `operator: ${event.action} #${event.at}`;
    case "run":
      return `runner ${event.runner}: ${event.words.join(" ")}${event.process ? " (a process)" : ""}`;
    case "runner_fault":
      return `runner ${event.runner}: ${describeFault(event.fault)}`;
    case "refusal":
      return `runner ${event.runner}: ${event.code}, ${event.times} times`;
    case "long_freeze":
      return `runner ${event.runner}: freezes${
        event.holding ? " with the tables to itself" : ""
      } until others can read`;
    case "read_while_locked":
      return `while somebody holds the ${event.books ? "bookkeeping" : "tables"}: ${event.words.join(" ")}`;
    case "apply_in_the_way":
      return `${event.what} #${event.at} is in the way of an apply`;
    case "down_and_follow":
      return `down ${event.steps}, ${event.fault} after ${
        event.begun ? "the first step and " : ""
      }${event.commands} commands, and what its hint says`;
    case "move_after_shown":
      return `${event.words.join(" ")} is shown; before it is agreed to: ${event.other.join(" ")}`;
    case "save_plan":
      return "a plan is saved, a partition added, and the plan carried out";
    case "read_late":
      return `a reader comes late to an apply, after ${event.commands} commands`;
  }
}
