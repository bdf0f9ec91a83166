/**
 * Puts there what a history begins with: tenants, neighbours, and what some histories are made around.
 *
 * @module
 */

import { pause } from "../stage.ts";
import { addForeign } from "./foreign.ts";
import { isForAll, type Scene, STRANGER } from "./scene.ts";
import { contentOf, digestAnywhere, readStored } from "./stored.ts";

/** Records for which a server has no room twice, and what is left for all else: applications, connections, bookkeeping. */
const LARGE = { records: 50, bytes: 200_000, room: 5_000_000 };

/** Records on a list that is too long for one step. */
const LONG = 1001;

/** What is to be known of the beginning in the end. */
export interface Beginning {
  /** When another tool marked migrations applied for all deployments; 0 for never. */
  readonly sharedAt: number;
  /** What is in the first database, beside the one of the history; null for nothing. */
  readonly beside: string | null;
}

/** Puts it there. */
export async function populate(scene: Scene): Promise<Beginning> {
  return await new Populating(scene).populate();
}

class Populating {
  readonly #scene: Scene;
  readonly #history;
  readonly #world;
  readonly #ledger;
  #sharedAt = 0;
  #beside: string | null = null;

  constructor(scene: Scene) {
    this.#scene = scene;
    ({ history: this.#history, world: this.#world, ledger: this.#ledger } = scene);
  }

  async populate(): Promise<Beginning> {
    for (const { deployment, tenants } of this.#history.populations) {
      const application = this.#scene.old(deployment);
      for (const { id, destinations, deleted } of tenants) {
        const where = { deployment, tenant: id, destination: "", salt: this.#scene.salt++ };
        await application.act("create_tenant", where);
        for (const destination of destinations) {
          await application.act("create_destination", { ...where, destination, salt: this.#scene.salt++ });
        }
        if (deleted) await application.act("delete_tenant", where);
      }
      const [first] = tenants;
      if (deployment === "" && first !== undefined) await this.#addOthers(first.id);
    }
    if (this.#history.neighbours) {
      for (const key of await addForeign(this.#world.client)) {
        this.#ledger.foreign.set(key, await digestAnywhere(this.#world.masters(), key) ?? "");
      }
    }
    if (isForAll(this.#history)) await this.#addStranger();
    if (this.#history.oldest) await this.#addOldest();
    if (this.#history.shared) await this.#markForAll();
    if (this.#history.database !== 0) await this.#settleBeside();
    await this.#scene.replicated();
    if (this.#history.scarce) await this.#limitMemory();
    if (this.#history.long) await this.#lengthenList();
    if (this.#history.coarse) await pause(1000 - Date.now() % 1000);
    return { sharedAt: this.#sharedAt, beside: this.#beside };
  }

  /** What a deployment takes over that has no bookkeeping of its own: its records say otherwise. */
  async #markForAll(): Promise<void> {
    for (const name of ["001_hash_tags", "002_timestamps", "003_entity"]) {
      const mark = { status: "applied", applied_at: new Date().toISOString() };
      await this.#world.client.hset(`outpost:migration:${name}`, mark);
    }
    await this.#ledger.caughtUp();
    this.#sharedAt = Date.now();
  }

  /** Another application uses the word. */
  async #addStranger(): Promise<void> {
    await this.#world.client.set(STRANGER, "1");
    this.#ledger.foreign.set(STRANGER, await digestAnywhere(this.#world.masters(), STRANGER) ?? "");
  }

  async #addOldest(): Promise<void> {
    const [source, target] = ["destination_summary:o1:d9", "tenant:{o1}:destination_summary:d9"];
    await this.#world.client.set(source, '{"id":"d9"}');
    this.#ledger.addOther("o1", source, target, await digestAnywhere(this.#world.masters(), source) ?? "");
  }

  /** Another Outpost in the first database, with a tenant of the same ID. */
  async #settleBeside(): Promise<void> {
    const { first } = this.#world;
    await first!.hset("tenant:t0", { id: "t0", created_at: "2024-01-15T10:30:00Z" });
    await first!.hset("outpost:migration:001_hash_tags", { status: "applied" });
    this.#beside = await contentOf(first!);
  }

  /** Fills the server with records that are to be copied, and takes away the room for that. What does not fit is thrown away. */
  async #limitMemory(): Promise<void> {
    const { client } = this.#world;
    const [tenant] = this.#ledger.tenants("");
    if (tenant === undefined || !/^\w+$/.test(tenant)) return;
    for (let n = 0; n < LARGE.records; n++) {
      const [source, target] = [`tenant:${tenant}:large${n}`, `tenant:{${tenant}}:large${n}`];
      await client.set(source, String(n).repeat(LARGE.bytes));
      this.#ledger.addOther(
        tenant,
        source,
        target,
        await digestAnywhere(this.#world.masters(), source) ?? "",
      );
    }
    for (const node of this.#world.masters()) {
      const used = Number(/used_memory:(\d+)/.exec(await node.info("memory"))![1]);
      await node.config("SET", "maxmemory", String(used + LARGE.room));
      await node.config("SET", "maxmemory-policy", "allkeys-random");
    }
  }

  /** Lists more than there are, of which nothing is left or will be. */
  async #lengthenList(): Promise<void> {
    const [tenant] = this.#ledger.tenants("");
    const list = this.#ledger.record("", "list", tenant!);
    const entries = Array.from({ length: LONG }, (_, n) => [`e${n}`, "{}"]);
    await this.#world.client.hset(list.source!, ...entries.flat());
    const stored = await readStored(this.#world.client, list.source!);
    list.old.push({ stored, at: this.#ledger.tick(), copy: null });
    await this.#scene.replicated();
  }

  /** Whatever else may hang on a tenant. */
  async #addOthers(tenant: string): Promise<void> {
    if (!/^[\w{}]+$/.test(tenant)) return;
    const { client } = this.#world;
    await client.rpush(`tenant:${tenant}:queue`, "b", "a", "b");
    await client.sadd(`tenant:${tenant}:seen`, "1", "2", "x");
    await client.pexpireat(`tenant:${tenant}:seen`, Date.now() + 3_600_000);
    await client.set(`destination_summary:${tenant}:d9`, '{"id":"d9"}');
    const names = [["queue", "queue"], ["seen", "seen"]].map(([from, to]) => [
      `tenant:${tenant}:${from}`,
      `tenant:{${tenant}}:${to}`,
    ]);
    names.push([`destination_summary:${tenant}:d9`, `tenant:{${tenant}}:destination_summary:d9`]);
    for (const [source, target] of names) {
      this.#ledger.addOther(
        tenant,
        source!,
        target!,
        await digestAnywhere(this.#world.masters(), source!) ?? "",
      );
    }
  }
}
