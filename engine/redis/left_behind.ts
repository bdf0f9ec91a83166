/**
 * Commands that a client would leave without an answer for ever.
 *
 * @module
 */

import type { EventEmitter } from "node:events";
import type { Ioredis } from "./client.ts";

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
}
