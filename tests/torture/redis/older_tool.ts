/**
 * A migration tool before v0.14: it locks all deployments of a Redis by one name, and works for as long as it has it. Nothing that it
 * would do to records is played: what it must not meet is a run of this program beside it.
 *
 * @module
 */

import type { Cluster, Redis } from "ioredis";
import { appliedBy } from "../answer.ts";
import type { Stage } from "../stage.ts";

const NAME = ".outpost:migration:lock";

/** Takes its lock and gives it back. */
export class OlderTool {
  readonly #client: () => Redis | Cluster;
  readonly #stage: Stage;
  #turns = 0;
  /** What it wrote and when, while it has the lock. */
  #held: { readonly value: string; readonly since: number } | null = null;

  constructor(client: () => Redis | Cluster, stage: Stage) {
    this.#client = client;
    this.#stage = stage;
  }

  /** Tries it once, as it does. */
  async lock(): Promise<void> {
    if (this.#held !== null) return;
    const value = `migration=002_timestamps, turn=${++this.#turns}`;
    const taken = await this.#client().set(NAME, value, "EX", 3600, "NX");
    if (taken !== null) this.#held = { value, since: Date.now() };
    this.#stage.say(`older tool: ${taken === null ? "somebody is at work" : "has the lock"}`);
  }

  /** Gives it back, and complains of whoever took it meanwhile or did not ask for it. */
  async unlock(): Promise<void> {
    if (this.#held === null) return;
    const { value, since } = this.#held;
    this.#held = null;
    const until = Date.now();
    if (await this.#client().get(NAME) !== value) {
      this.#stage.complain(NAME, "an older tool had the lock, and somebody took it");
    }
    await this.#client().del(NAME);
    for (const answer of this.#stage.answers) {
      const within = answer.startedAt > since && answer.endedAt < until;
      if (within && appliedBy(answer).length > 0) {
        this.#stage.complain(
          NAME,
          `${answer.words.join(" ")} applied beside an older tool that had the lock`,
        );
      }
    }
  }
}
