/**
 * A client that counts the commands sent through it, and lets something happen between them.
 *
 * @module
 */

import type { RedisClient } from "../engine/redis/client.ts";

interface Sender {
  sendCommand(...args: unknown[]): unknown;
}

/** A connection of its own, with the settings of another one. Disposing closes it. */
export class CountedClient implements Disposable {
  /** To be handed to an engine. */
  readonly client: RedisClient;
  #commands = 0;
  readonly #hooks: ((command: number) => void)[] = [];

  /** @param original Stays as it is: its own commands are not counted. */
  constructor(original: RedisClient) {
    this.client = original.duplicate();
    const sender = this.client as unknown as Sender;
    const send = sender.sendCommand.bind(sender);
    sender.sendCommand = (...args) => {
      const command = ++this.#commands;
      for (const hook of this.#hooks) hook(command);
      return send(...args);
    };
  }

  /** Commands sent so far. */
  get commands(): number {
    return this.#commands;
  }

  /** Has something happen before every command, counted from 1. */
  beforeEach(act: (command: number) => void): void {
    this.#hooks.push(act);
  }

  /** Closes the connection at once. */
  [Symbol.dispose](): void {
    this.client.disconnect();
  }
}
