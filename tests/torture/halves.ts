/**
 * The two halves of the torture behind one face: the records in Redis, and the log in Postgres.
 *
 * @module
 */

import { describe, type History } from "./history.ts";
import { generate } from "./redis/generate.ts";
import { play } from "./redis/play.ts";
import { type RedisWorld, startWorld, type Topology } from "./redis/servers.ts";
import { Databases } from "./sql/databases.ts";
import { generateLog } from "./sql/generate.ts";
import { describeLog, type LogHistory } from "./sql/history.ts";
import { playLog } from "./sql/play.ts";
import type { Outcome } from "./stage.ts";

/** A history with all that can be done with it. */
export interface Playable<Event = unknown> {
  /** Options that lead to it again. */
  readonly again: string;
  readonly events: readonly Event[];
  /** Its events in lines. */
  story(): string[];
  play(): Promise<Outcome>;
  /** The same with fewer events. */
  having(events: readonly Event[]): Playable<Event>;
  /** Others with less in the beginning. */
  simpler(): Playable<Event>[];
}

/** How often each kind of servers has its turn. */
const TURN: readonly Topology[] = ["single", "single", "cluster", "single", "single", "replica"];

/** The Redis half. */
export class RedisHalf implements AsyncDisposable {
  readonly #worlds = new Map<Topology, RedisWorld>();

  /** @param topology Null for all in turn. */
  make(seed: number, topology: Topology | null): Playable {
    return this.#playable(generate(seed, topology ?? TURN[seed % TURN.length]!)) as Playable;
  }

  #playable(history: History): Playable<History["events"][number]> {
    const { populations } = history;
    return {
      again: `--side redis --topology ${history.topology} --seed ${history.seed}`,
      events: history.events,
      story: () => history.events.map((event) => `after ${event.after}: ${describe(event, history)}`),
      play: async () => await play(history, await this.#world(history.topology)),
      having: (events) => this.#playable({ ...history, events }),
      simpler: () =>
        populations.filter(({ tenants }) => tenants.length > 2).map((large) =>
          this.#playable({
            ...history,
            populations: populations.map((one) =>
              one === large ? { ...one, tenants: one.tenants.slice(0, 2) } : one
            ),
          })
        ),
    };
  }

  /** The servers, started when they are first needed. A pair that has failed over is of no use to the next history. */
  async #world(topology: Topology): Promise<RedisWorld> {
    const known = this.#worlds.get(topology);
    if (known !== undefined && topology !== "replica") return known;
    await known?.[Symbol.asyncDispose]();
    const world = await startWorld(topology);
    this.#worlds.set(topology, world);
    return world;
  }

  /** Stops all servers; the next history has new ones. */
  async restart(): Promise<void> {
    for (const world of this.#worlds.values()) await world[Symbol.asyncDispose]();
    this.#worlds.clear();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.restart();
  }
}

/** The SQL half. */
export class SqlHalf implements AsyncDisposable {
  #databases: Promise<Databases> | null = null;

  make(seed: number): Playable {
    return this.#playable(generateLog(seed)) as Playable;
  }

  #playable(history: LogHistory): Playable<LogHistory["events"][number]> {
    return {
      again: `--side sql --seed ${history.seed}`,
      events: history.events,
      story: () => [
        `start: ${JSON.stringify(history.start)}`,
        ...history.events.map((event) => `after ${event.after}: ${describeLog(event)}`),
      ],
      play: async () => await playLog(history, await (this.#databases ??= Databases.start())),
      having: (events) => this.#playable({ ...history, events }),
      simpler: () =>
        history.start.events > 3
          ? [this.#playable({ ...history, start: { ...history.start, events: 3 } })]
          : [],
    };
  }

  /** Stops the server; the next history has a new one. */
  async restart(): Promise<void> {
    const databases = this.#databases;
    this.#databases = null;
    await (await databases?.catch(() => null))?.[Symbol.asyncDispose]();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.restart();
  }
}
