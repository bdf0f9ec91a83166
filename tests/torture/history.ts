/**
 * A history: what is there in the beginning, and what happens in which order. It is made of a seed, and is data alone, so that
 * it can be shown, repeated, and made shorter.
 *
 * @module
 */

import type { PostgresErrorCode, RedisErrorCode } from "../support/faults/fault.ts";
import type { Deed } from "./faults/aims.ts";
import type { Action } from "./redis/application.ts";
import type { Topology } from "./redis/servers.ts";

/** What happens to a runner or its network. */
export type RunnerFault = "kill" | "interrupt" | "freeze" | "cut" | "half_reply" | "lost_reply";

/** One that waits until the runner is about to do something. */
export interface AimedFault<What = Deed> {
  readonly what: "freeze" | "kill";
  readonly before: What;
  /** How often it does that before; left out for never. */
  readonly after?: number;
}

/**
 * What is aimed, and what may come after it: one that wakes goes on; one that wakes and dies sends what it was about to, and nothing
 * after it.
 */
export type ChosenFault<What = Deed> = RunnerFault | AimedFault<What> | "wake" | "wake_and_die";

/** A fault in a line. */
export function describeFault(fault: ChosenFault<string>): string {
  if (typeof fault === "string") return fault;
  const { what, before, after = 0 } = fault;
  return `${what} before it is to ${before}${after === 0 ? "" : `, having done so ${after} times`}`;
}

/** The next commands of a runner are not done: the server answers with an error. */
export interface Refusal {
  readonly type: "refusal";
  readonly runner: number;
  readonly code: RedisErrorCode | PostgresErrorCode;
  readonly times: number;
}

/** What happens to the servers. The lasting ones end by themselves after some commands. */
export type ServerFault =
  | "script_flush"
  | "client_pause"
  | "out_of_memory"
  | "read_only"
  | "move_slots"
  | "lag"
  | "failover"
  | "snapshot"
  | "restart"
  | "revoke";

/** One thing that happens. */
export type Happening =
  | {
    readonly type: "application";
    /** Of the old release or of the new one. */
    readonly release: "old" | "new";
    readonly action: Action;
    readonly deployment: number;
    /** Positions among the tenants and destinations that there are. */
    readonly tenant: number;
    readonly destination: number;
  }
  | {
    readonly type: "run";
    readonly runner: number;
    readonly words: readonly string[];
    readonly deployment: number;
    /** In place of the one deployment, several at once, in this order; empty for all that there are. */
    readonly together?: readonly number[];
    /** How far the clock of its host is ahead, in milliseconds; left out for not at all. */
    readonly aheadMs?: number;
    readonly process: boolean;
  }
  | { readonly type: "runner_fault"; readonly runner: number; readonly fault: ChosenFault }
  /** A person settles all that differs, and just before that is done, applications write. */
  | {
    readonly type: "settle_meanwhile";
    readonly keep: "original" | "copy";
    readonly acts: readonly (Happening & { type: "application" })[];
  }
  /** A tool before v0.14, which locks all deployments of a Redis by one name, works for a while. */
  | { readonly type: "older_tool"; readonly action: "lock" | "unlock" }
  | Refusal
  | { readonly type: "server_fault"; readonly fault: ServerFault; readonly seed: number };

/** A happening and how many commands of the runners pass before it. */
export type Event = Happening & { readonly after: number };

/** What a deployment has in the beginning. */
export interface Population {
  /** The deployment ID; empty for none. */
  readonly deployment: string;
  readonly tenants: readonly {
    readonly id: string;
    readonly destinations: readonly string[];
    readonly deleted: boolean;
  }[];
}

/** A whole history. */
export interface History {
  readonly seed: number;
  readonly topology: Topology;
  readonly populations: readonly Population[];
  /** Keys of others are there. A Redis with nothing at all is a fresh installation. */
  readonly neighbours: boolean;
  /** The server throws away what it has no room for, and there is none for two forms of every record. */
  readonly scarce: boolean;
  /** A summary of the oldest form is all that is left of an application. */
  readonly oldest: boolean;
  /** Nobody settles what differs, so that cleanup has something to keep. */
  readonly unsettled: boolean;
  /** A list is longer than what a step of a server looks through. */
  readonly long: boolean;
  /** The old application writes its times in whole seconds. What is there in the beginning was written in an earlier one. */
  readonly coarse: boolean;
  /** A tool before v0.14 has marked all migrations applied for every deployment, of which it had migrated none. */
  readonly shared: boolean;
  /** Some records of the old application say of their creation what is hardly a time, or none. */
  readonly odd: boolean;
  /** The number of the database. Beside another than the first, there is something in that. */
  readonly database: number;
  /** The program connects as a user with the rights that `migrate grants` names. */
  readonly granted: boolean;
  readonly events: readonly Event[];
}

/** The flags that tell a run of several deployments which they are; none for a run of one. */
export function flagsOf(
  { together }: Pick<Happening & { type: "run" }, "together">,
  populations: History["populations"],
): readonly string[] {
  if (together === undefined) return [];
  if (together.length === 0) return ["--all-deployments"];
  return together.flatMap((at) => ["--deployment-id", populations[at]!.deployment]);
}

/** A happening in a line, for the log and for stories. */
export function describe(event: Happening, { populations }: Pick<History, "populations">): string {
  const at = (deployment: number) => {
    const id = populations[deployment % populations.length]!.deployment;
    return id === "" ? "" : ` (deployment ${id})`;
  };
  switch (event.type) {
    case "application":
      return `${event.release} application: ${event.action} #${event.tenant}/${event.destination}${
        at(event.deployment)
      }`;
    case "run":
      return `runner ${event.runner}: ${[...event.words, ...flagsOf(event, populations)].join(" ")}${
        event.together === undefined ? at(event.deployment) : ""
      }${event.process ? " (a process)" : ""}${
        event.aheadMs === undefined ? "" : ` (its clock is ${event.aheadMs} ms ahead)`
      }`;
    case "runner_fault":
      return `runner ${event.runner}: ${describeFault(event.fault)}`;
    case "settle_meanwhile":
      return `resolve --all --keep ${event.keep}, and just before it writes, applications do`;
    case "older_tool":
      return `older tool: ${event.action}`;
    case "refusal":
      return `runner ${event.runner}: ${event.code}, ${event.times} times`;
    case "server_fault":
      return `servers: ${event.fault}`;
  }
}
