/**
 * What a client of ioredis would leave behind: commands without an answer, and failures that nobody waits for.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import type { Cluster, Redis } from "ioredis";
import { type Ioredis, isCluster } from "./client.ts";

/** Where ioredis keeps what was sent and not answered when the connection broke, until it is ready again. */
interface Unanswered {
  readonly prevCommandQueue?: {
    shift(): { readonly command: { reject(error: Error): void } } | undefined;
  } | null;
}

/**
 * Has every command fail once the client gives its connection up. By itself it does so with those that it has not sent yet; what
 * it sent, it keeps for a connection that is ready again. Where something in between accepts connections and drops them, none is.
 */
export function failLeftBehind(client: Ioredis): void {
  const events = client as unknown as EventEmitter; // Older compilers miss the inherited methods.
  events.on("end", () => {
    const { prevCommandQueue: unanswered } = client as unknown as Unanswered;
    for (let item = unanswered?.shift(); item !== undefined; item = unanswered?.shift()) {
      item.command.reject(new Error("Connection is closed."));
    }
  });
  if (!isCluster(client)) return;
  endClosed(client, events);
  for (const node of client.nodes("all")) ignoreAsking(node);
  events.on("+node", ignoreAsking);
}

/**
 * A cluster's client sends ASKING before a command that was sent on to another node, and waits for the command alone: where the node
 * goes right then, the failure of the first would be nobody's, and end the process.
 */
function ignoreAsking(node: Redis): void {
  const asking = node.asking.bind(node);
  node.asking = () => {
    const answer = asking();
    answer.catch(() => {});
    return answer;
  };
}

/** What of a cluster's client closes it. */
interface Closing {
  /** The caller has closed it. */
  readonly manuallyClosing?: boolean;
  handleCloseEvent?(): void;
}

/**
 * Has a cluster's client end that is closed while it has no connection: it waits for the last one to go, and for ever if there was none,
 * with all that it is asked meanwhile.
 */
function endClosed(client: Cluster, events: EventEmitter): void {
  let connections = client.nodes("all").length;
  events.on("+node", () => connections++);
  events.on("-node", () => connections--);
  const end = () => {
    const closing = client as unknown as Closing;
    if (connections === 0 && client.status === "disconnecting" && closing.manuallyClosing) {
      closing.handleCloseEvent?.();
    }
  };
  events.on("disconnecting", end);
  end();
}
