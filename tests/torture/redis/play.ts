/**
 * Plays a history: lets everything happen in its order, then lets the program finish undisturbed, and asks the oracle.
 *
 * @module
 */

import { SCRIPTS } from "../faults/aims.ts";
import { type ChosenFault, describe, type Event, flagsOf, type Happening, type History } from "../history.ts";
import { type Outcome, Stage } from "../stage.ts";
import { Application, type Form } from "./application.ts";
import { Ending } from "./ending.ts";
import { Ledger } from "./ledger.ts";
import { OlderTool } from "./older_tool.ts";
import { populate } from "./populate.ts";
import { isApplied, resolveAll, type Scene } from "./scene.ts";
import { calm, type RedisWorld } from "./servers.ts";
import { disturbServers, type LastingFault } from "./server_faults.ts";
import { digestAnywhere, readStored } from "./stored.ts";

/** Plays a history on servers that hold nothing else meanwhile. */
export async function play(history: History, world: RedisWorld): Promise<Outcome> {
  return await new Play(history, world).run();
}

class Play implements Scene {
  readonly history: History;
  readonly world: RedisWorld;
  readonly stage: Stage;
  readonly ledger = new Ledger();
  readonly #older: OlderTool;
  readonly #releases: Record<"legacy" | "tagged" | "current", Application>;
  #lasting: LastingFault | null = null;
  /** Goes back to what the server would have after a restart: nothing, until something is saved. */
  #goBack = this.ledger.save();
  /** When applications wrote while nothing was recorded of 001. */
  readonly unmarked: number[] = [];
  salt = 0;

  constructor(history: History, world: RedisWorld) {
    this.history = history;
    this.world = world;
    this.stage = new Stage(world, history.events);
    const client = () => this.world.client;
    this.#older = new OlderTool(client, this.stage);
    const release = (form: Form) => new Application(client, this.ledger, form, history);
    this.#releases = { legacy: release("legacy"), tagged: release("tagged"), current: release("current") };
  }

  async run(): Promise<Outcome> {
    await this.world.reset(this.history);
    const beginning = await populate(this);
    for (const event of this.history.events) await this.#happen(event);
    await this.#calm();
    await new Ending(this, beginning).settle();
    return { finds: this.stage.finds, log: this.stage.log };
  }

  old(deployment: string): Application {
    return deployment === "" ? this.#releases.legacy : this.#releases.tagged;
  }

  async #happen(event: Event): Promise<void> {
    await this.stage.after(event.after);
    await this.#look();
    if (this.#lasting !== null && --this.#lasting.left < 0) await this.#endLasting();
    switch (event.type) {
      case "application":
        await this.#act(event);
        return;
      case "run":
        return await this.#start(event);
      case "runner_fault":
        return await this.#disturb(event.runner, event.fault);
      case "settle_meanwhile":
        return await this.#settleMeanwhile(event);
      case "older_tool":
        this.stage.say(describe(event, this.history));
        return await this.#older[event.action]();
      case "refusal":
        return this.stage.refuse(event);
      case "server_fault":
        this.stage.say(describe(event, this.history));
        this.#lasting = both(this.#lasting, await disturbServers(event, this.world, this.stage));
        // Who takes over may not have heard that it has begun: then it begins anew.
        if (event.fault === "failover") this.ledger.begunBy = Infinity;
        if (event.fault === "snapshot") this.#goBack = this.ledger.save();
        if (event.fault === "restart") this.#goBack();
    }
  }

  async #disturb(runner: number, fault: ChosenFault): Promise<void> {
    // What a server does not know by its hash it refuses first, and one that wakes and dies has done nothing then.
    for (const { source } of typeof fault === "object" ? SCRIPTS[fault.before] : []) {
      for (const node of this.world.masters()) await node.script("LOAD", source);
    }
    this.stage.disturb(runner, fault);
  }

  /** Whoever settles what differs settles what was shown: what is written in between stays as it is. */
  async #settleMeanwhile({ keep, acts }: Happening & { type: "settle_meanwhile" }): Promise<void> {
    const words = [...resolveAll(keep), "--lock-ttl", "6s", "--lock-wait", "3s"];
    await this.#start({ type: "run", runner: 0, words, deployment: 0, process: false });
    await this.#disturb(0, { what: "freeze", before: "settle" });
    await this.stage.after(400);
    if (!this.stage.isFrozen(0)) return;
    const written = new Set<string>();
    for (const act of acts) for (const key of await this.#act(act)) written.add(key);
    const left = new Map<string, string | null>();
    for (const key of written) left.set(key, await digestAnywhere(this.world.masters(), key));
    this.stage.disturb(0, "wake");
    await this.stage.end(0);
    for (const [key, digest] of left) {
      // What was deleted is taken off a list that is copied.
      if (this.ledger.records.get(key)?.kind === "list") continue;
      if (await digestAnywhere(this.world.masters(), key) === digest) continue;
      this.stage.complain(key, "what was written while others were settled is not there any more");
    }
  }

  /** @returns The keys that were written. */
  async #act(event: Happening & { type: "application" }): Promise<string[]> {
    if (this.#lasting !== null || this.world.lagging) return []; // Its writes would not be acknowledged.
    const { populations } = this.history;
    const { deployment } = populations[event.deployment % populations.length]!;
    const tenants = this.ledger.tenants(deployment);
    // Beyond those that there are, one more.
    const at = event.action === "create_tenant"
      ? event.tenant % (tenants.length + 1)
      : event.tenant % Math.max(1, tenants.length);
    const tenant = tenants[at] ?? `n${tenants.length}`;
    const destination = ["d1", "d2", "d:3"][event.destination % 3]!;
    const where = { deployment, tenant, destination, salt: this.salt++ };
    if (event.action === "expire" && !await isApplied(this.world, deployment, "001_hash_tags")) return [];
    const application = event.release === "new" ? this.#releases.current : this.old(deployment);
    const actedAt = Date.now();
    const keys = await application.act(event.action, where);
    if (keys.length > 0 && await this.world.client.exists("outpost:migration:001_hash_tags") === 0) {
      this.unmarked.push(actedAt);
    }
    await this.replicated();
    if (keys.length > 0) {
      this.stage.say(
        `${describe(event, this.history)}: wrote ${keys.map((key) => JSON.stringify(key)).join(", ")}`,
      );
    }
    return keys;
  }

  async #start(
    { runner, words, deployment: at, process, ...event }: Happening & { type: "run" },
  ): Promise<void> {
    const { populations } = this.history;
    const { together } = event;
    const meant = together === undefined ? [at] : together.length === 0 ? populations.keys() : together;
    const unprefixed = [...meant].some((index) => populations[index]!.deployment === "");
    const all = words.every((word) => !word.startsWith("redis/"));
    if (unprefixed && words[1] === "apply" && (all || words.includes("redis/1"))) {
      this.ledger.copyingFrom = Math.min(this.ledger.copyingFrom, Date.now());
    }
    if (unprefixed && words[1] === "resolve") this.ledger.settle(words);
    const text = describe({ ...event, runner, words, deployment: at, process }, this.history);
    const clock = event.aheadMs === undefined ? {} : { aheadMs: event.aheadMs };
    const deployment = together === undefined ? populations[at]!.deployment : "";
    const flags = flagsOf(event, populations);
    await this.stage.start(runner, { words: [...words, ...flags], deployment, process, ...clock }, text);
  }

  async #endLasting(): Promise<void> {
    const lasting = this.#lasting;
    this.#lasting = null;
    await lasting?.end();
    if (lasting !== null) this.stage.say("servers: well again");
  }

  /** Notes when 001 first began. */
  async #look(): Promise<void> {
    if (this.ledger.copyingFrom === Infinity) return;
    const state = await readStored(this.world.client, "outpost:migration:001_hash_tags");
    if (state === null) return;
    const { first_began_at: told = String(Date.now() + 1) } = state.fields;
    this.ledger.begunBy = Math.min(this.ledger.begunBy, Number(told));
  }

  /** A write counts as acknowledged once it would survive the primary. */
  async replicated(): Promise<void> {
    await this.ledger.caughtUp();
    if (this.world.replicas === 0) return;
    await (this.world.client as unknown as { wait(replicas: number, ms: number): Promise<number> }).wait(
      1,
      2000,
    );
  }

  /** Ends all that disturbs, and waits for the runners. */
  async #calm(): Promise<void> {
    this.stage.say("all faults end");
    await this.#older.unlock();
    await this.#endLasting();
    await this.world.settled();
    await Promise.all(this.world.masters().map(calm));
    await this.stage.calm();
    await this.#look();
    if (this.ledger.begunBy === Infinity) this.ledger.begunBy = Date.now();
  }
}

/** Two faults at a time end together. */
function both(one: LastingFault | null, other: LastingFault | null): LastingFault | null {
  if (one === null || other === null) return one ?? other;
  const end = async () => {
    await one.end();
    await other.end();
  };
  return { left: Math.max(one.left, other.left), end };
}
