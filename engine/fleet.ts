/**
 * Several deployments in one Redis, worked on in one go: each has its own engine, with its own state, lock and counts, and one walk
 * over the keyspace serves all that are at work.
 *
 * @module
 */

import { checkPart } from "./check_options.ts";
import { type CreateEngineOptions, engineOver, storeOver } from "./create_engine.ts";
import type { Engine } from "./engine.ts";
import { RegistryError } from "./errors.ts";
import { LockGroup } from "./lock/lock_group.ts";
import { RedisStore } from "./redis/store.ts";

/** What became of the work on one deployment. */
export type FleetOutcome<T> =
  | { readonly deployment: string; readonly ok: true; readonly value: T }
  | { readonly deployment: string; readonly ok: false; readonly error: unknown };

/** What a fleet is made of. */
export interface CreateFleetOptions {
  /** What all deployments share, such as a database whose tables bear no deployment's name; left out for nothing. */
  readonly shared?: CreateEngineOptions | undefined;
  /** The deployments, each told from the others by its `deployment`, all over the same Redis client. */
  readonly deployments: readonly CreateEngineOptions[];
}

/** One deployment at work. */
interface Member {
  readonly engine: Engine;
  readonly store: RedisStore | null;
}

/** Several deployments. Like {@linkcode Engine} it never prints, exits, opens or closes a client that it was given. */
export class Fleet {
  /** The engine over what all share; null where nothing is. Its steps are to be applied before those of the deployments. */
  readonly shared: Engine | null;
  readonly #members: ReadonlyMap<string, Member>;

  /**
   * Made by {@linkcode createFleet}.
   *
   * @internal
   */
  constructor(shared: Engine | null, members: ReadonlyMap<string, Member>) {
    this.shared = shared;
    this.#members = members;
  }

  /** The engines by the name of their deployment, in the order given. Used one by one they do not walk together. */
  get engines(): ReadonlyMap<string, Engine> {
    return new Map([...this.#members].map(([name, { engine }]) => [name, engine]));
  }

  /**
   * Does the same with every deployment, all at once. When all that are at work need the records, one walk serves them; one that
   * waits for its lock is not waited for, and one that fails leaves the others at work.
   *
   * @param work Called once for each, for example with `(engine) => engine.apply()`.
   * @returns What became of each, in order. Never rejects.
   */
  async each<T>(
    work: (engine: Engine, deployment: string) => Promise<T>,
  ): Promise<readonly FleetOutcome<T>[]> {
    for (const { store } of this.#members.values()) store?.walks.enter(store);
    return await Promise.all([...this.#members].map(async ([deployment, { engine, store }]) => {
      try {
        return { deployment, ok: true as const, value: await work(engine, deployment) };
      } catch (error) {
        return { deployment, ok: false as const, error };
      } finally {
        store?.walks.leave(store);
      }
    }));
  }
}

/**
 * Creates a fleet. Nothing is contacted before a method is called.
 *
 * @param options What all share, and the deployments.
 * @returns A fleet that neither opens nor closes the clients that it was given.
 * @throws {RegistryError} When two deployments have the same name, or not the same Redis client.
 * @throws {RefusedError} As {@linkcode createEngine} does.
 */
export function createFleet(options: CreateFleetOptions): Fleet {
  checkPart("fleet", options);
  const { shared, deployments } = options;
  const clients = new Set(deployments.map(({ redis }) => redis));
  if (clients.size > 1) {
    throw new RegistryError("Cannot create the fleet: its deployments are not in one Redis");
  }
  const [client] = clients;
  const first = client === undefined ? null : storeOver(client);
  const group = new LockGroup();
  const members = new Map<string, Member>();
  for (const options of deployments) {
    const { deployment = "" } = options;
    if (members.has(deployment)) {
      throw new RegistryError(`Cannot create the fleet: the deployment "${deployment}" is in it twice`);
    }
    const store = first === null ? null : new RedisStore(first.client, first);
    const stepAside = () => store?.walks.stepAside(store) ?? (() => {});
    members.set(deployment, { engine: engineOver(options, store, { group, stepAside }), store });
  }
  return new Fleet(
    shared === undefined
      ? null
      : engineOver(shared, shared.redis === undefined ? null : storeOver(shared.redis), undefined),
    members,
  );
}
