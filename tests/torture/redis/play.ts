/**
 * Plays a history: lets everything happen in its order, then lets the program finish undisturbed, and asks the oracle.
 *
 * @module
 */

import { type Answer, appliedBy, describeAnswer, errorOf, issuesOf } from "../answer.ts";
import { Gate } from "../faults/gate.ts";
import { describe, type Event, type Happening, type History } from "../history.ts";
import { Runner } from "../runner.ts";
import { Application } from "./application.ts";
import { addForeign } from "./foreign.ts";
import { Ledger } from "./ledger.ts";
import { type Find, judge, type Verdicts } from "./oracle.ts";
import { calm, type RedisWorld } from "./servers.ts";
import { digestOf, readStored } from "./stored.ts";

const RUNNERS = 3;
/** The lease of every run, which freezes outlast. */
const LEASE_MS = 1000;
const FREEZE_MS = 1400;
/** When no command passes for so long, whatever comes next happens all the same. */
const PATIENCE_MS = 60;
const SLOW_PATIENCE_MS = 1500;
/** How long a runner may take to end by itself once nothing is in its way. */
const END_MS = 8000;
/** How often the program is run in the end before it counts as unable to finish. */
const LAST_RUNS = 4;

/** What came of a history. */
export interface Outcome {
  readonly finds: readonly Find[];
  /** What happened, in order. */
  readonly log: readonly string[];
}

/** Plays a history on servers that hold nothing else meanwhile. */
export async function play(history: History, world: RedisWorld): Promise<Outcome> {
  return await new Play(history, world).run();
}

class Play {
  readonly #history: History;
  readonly #world: RedisWorld;
  readonly #gate = new Gate();
  readonly #ledger = new Ledger();
  readonly #runners: Runner[];
  readonly #releases: Record<"legacy" | "tagged" | "current", Application>;
  readonly #answers: Answer[] = [];
  readonly #finds: Find[] = [];
  readonly #log: string[] = [];
  readonly #startedAt = Date.now();
  #moving: Promise<void> | null = null;
  #over = false;
  /** What ends a lasting fault, and how many happenings from now. */
  #lasting: { left: number; end: () => Promise<void> } | null = null;
  #lagging = false;
  #failedOver = false;
  #salt = 0;

  constructor(history: History, world: RedisWorld) {
    this.#history = history;
    this.#world = world;
    const client = () => this.#world.client;
    this.#releases = {
      legacy: new Application(client, this.#ledger, "legacy"),
      tagged: new Application(client, this.#ledger, "tagged"),
      current: new Application(client, this.#ledger, "current"),
    };
    this.#runners = Array.from({ length: RUNNERS }, (_, i) =>
      new Runner(this.#gate, world, (answer) => {
        this.#answers.push(answer);
        this.#say(`runner ${i} ended: ${answer.words.join(" ")}: ${describeAnswer(answer)}`);
        const error = errorOf(answer);
        if (error?.code === "internal") {
          this.#finds.push({ key: "the program", what: `internal: ${error.message}` });
        }
      }));
  }

  async run(): Promise<Outcome> {
    await this.#world.reset();
    await this.#populate();
    for (const event of this.#history.events) await this.#happen(event);
    await this.#calm();
    await this.#settle();
    return { finds: this.#finds, log: this.#log };
  }

  #say(text: string): void {
    this.#log.push(
      `${String(Date.now() - this.#startedAt).padStart(6)} ms, command ${this.#gate.passed}: ${text}`,
    );
  }

  async #populate(): Promise<void> {
    for (const { deployment, tenants } of this.#history.populations) {
      const application = this.#old(deployment);
      for (const { id, destinations, deleted } of tenants) {
        const where = { deployment, tenant: id, destination: "", salt: this.#salt++ };
        await application.act("create_tenant", where);
        for (const destination of destinations) {
          await application.act("create_destination", { ...where, destination, salt: this.#salt++ });
        }
        if (deleted) await application.act("delete_tenant", where);
      }
      const [first] = tenants;
      if (deployment === "" && first !== undefined) await this.#addOthers(first.id);
    }
    if (this.#history.neighbours) {
      for (const key of await addForeign(this.#world.client)) {
        this.#ledger.foreign.set(key, await this.#digest(key) ?? "");
      }
    }
    await this.#replicated();
  }

  /** Whatever else may hang on a tenant. */
  async #addOthers(tenant: string): Promise<void> {
    if (!/^\w+$/.test(tenant)) return;
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
      this.#ledger.addOther(tenant, source!, target!, await this.#digest(source!) ?? "");
    }
  }

  async #digest(key: string): Promise<string | null> {
    for (const node of this.#world.masters()) {
      const digest = await digestOf(node, key).catch(() => null);
      if (digest !== null) return digest;
    }
    return null;
  }

  #old(deployment: string): Application {
    return deployment === "" ? this.#releases.legacy : this.#releases.tagged;
  }

  async #happen(event: Event): Promise<void> {
    const slow = this.#runners.some((runner) => runner.slow);
    await this.#gate.after(
      event.after,
      slow ? SLOW_PATIENCE_MS : PATIENCE_MS,
      () => !this.#runners.some((runner) => runner.moving),
    );
    this.#thawLate();
    await this.#look();
    if (this.#lasting !== null && --this.#lasting.left < 0) await this.#endLasting();
    await this.#do(event);
  }

  async #do(event: Happening): Promise<void> {
    switch (event.type) {
      case "application":
        return await this.#act(event);
      case "run":
        return await this.#start(event);
      case "runner_fault":
        return this.#disturb(event);
      case "server_fault":
        return await this.#disturbServers(event);
    }
  }

  async #act(event: Happening & { type: "application" }): Promise<void> {
    if (this.#lasting !== null || this.#lagging) return; // Its writes would not be acknowledged.
    const { populations } = this.#history;
    const { deployment } = populations[event.deployment % populations.length]!;
    const tenants = this.#ledger.tenants(deployment);
    // Beyond those that there are, one more.
    const at = event.action === "create_tenant"
      ? event.tenant % (tenants.length + 1)
      : event.tenant % Math.max(1, tenants.length);
    const tenant = tenants[at] ?? `n${tenants.length}`;
    const destination = ["d1", "d2", "d:3"][event.destination % 3]!;
    const where = { deployment, tenant, destination, salt: this.#salt++ };
    if (event.action === "expire" && !await this.#isApplied(deployment, "001_hash_tags")) return;
    const application = event.release === "new" ? this.#releases.current : this.#old(deployment);
    const keys = await application.act(event.action, where);
    await this.#replicated();
    if (keys.length > 0) {
      this.#say(
        `${describe(event, this.#history)}: wrote ${keys.map((key) => JSON.stringify(key)).join(", ")}`,
      );
    }
  }

  async #start(event: Happening & { type: "run" }): Promise<void> {
    const runner = this.#runners[event.runner]!;
    if (runner.busy) {
      this.#gate.open();
      while (runner.frozenAt !== null && Date.now() < runner.frozenAt + FREEZE_MS) await pause(20);
      runner.thaw();
      if (await runner.ended(END_MS) === null && runner.busy) {
        this.#say(`runner ${event.runner}: did not end, is killed`);
        runner.kill();
      }
    }
    const { deployment } = this.#history.populations[event.deployment]!;
    const all = event.words.every((word) => !word.startsWith("redis/"));
    if (event.words[1] === "apply" && (all || event.words.includes("redis/1"))) {
      this.#ledger.copyingFrom = Math.min(
        this.#ledger.copyingFrom,
        deployment === "" ? Date.now() : Infinity,
      );
    }
    this.#say(describe(event, this.#history));
    runner.start({ words: event.words, deployment, process: event.process });
  }

  #disturb({ runner: index, fault }: Happening & { type: "runner_fault" }): void {
    const runner = this.#runners[index]!;
    if (!runner.busy) return;
    this.#say(`runner ${index}: ${fault}`);
    switch (fault) {
      case "kill":
        return runner.kill();
      case "interrupt":
        return runner.interrupt();
      case "freeze":
        return runner.freeze();
      case "cut":
        return runner.link?.cut();
      case "half_reply":
        return runner.link?.spoilNextReply("half");
      case "lost_reply":
        return runner.link?.spoilNextReply("lost");
    }
  }

  async #disturbServers({ fault, seed }: Happening & { type: "server_fault" }): Promise<void> {
    this.#say(`servers: ${fault}`);
    const masters = this.#world.masters();
    switch (fault) {
      case "script_flush":
        await Promise.all(masters.map((node) => node.script("FLUSH")));
        return;
      case "client_pause":
        await Promise.all(masters.map((node) => node.call("CLIENT", "PAUSE", 150, "WRITE")));
        return;
      case "out_of_memory":
        await Promise.all(masters.map((node) => node.config("SET", "maxmemory", "1")));
        return this.#last(seed, () => each(masters, (node) => node.config("SET", "maxmemory", "0")));
      case "read_only":
        if (this.#world.topology !== "single") return;
        // Of a primary that is not there: what it has stays, and it takes no writes.
        await masters[0]!.call("REPLICAOF", "127.0.0.1", "1");
        return this.#last(seed, () => each(masters, (node) => node.call("REPLICAOF", "NO", "ONE")));
      case "move_slots":
        this.#moving ??= this.#world.moveSlots?.(seed, () => this.#over) ?? null;
        return;
      case "lag":
        if (this.#failedOver) return;
        this.#lagging = this.#world.lag !== undefined;
        return this.#world.lag?.();
      case "failover":
        if (this.#failedOver || this.#world.failover === undefined) return;
        this.#failedOver = true;
        await this.#world.failover();
        this.#lagging = false;
        for (const runner of this.#runners) runner.link?.cut();
    }
  }

  #last(seed: number, end: () => Promise<void>): void {
    this.#lasting = { left: seed % 4, end };
  }

  async #endLasting(): Promise<void> {
    const lasting = this.#lasting;
    this.#lasting = null;
    await lasting?.end();
    if (lasting !== null) this.#say("servers: well again");
  }

  #thawLate(): void {
    for (const runner of this.#runners) {
      if (runner.frozenAt !== null && Date.now() > runner.frozenAt + FREEZE_MS) runner.thaw();
    }
  }

  /** Notes when 001 was first seen to have begun. */
  async #look(): Promise<void> {
    if (this.#ledger.begunBy < Infinity || this.#ledger.copyingFrom === Infinity) return;
    if (await this.#world.client.exists("outpost:migration:001_hash_tags") === 1) {
      this.#ledger.begunBy = Date.now() + 1;
    }
  }

  async #isApplied(deployment: string, name: string): Promise<boolean> {
    const prefix = deployment === "" ? "" : `${deployment}:`;
    const state = await readStored(this.#world.client, `${prefix}outpost:migration:${name}`);
    const status = state?.fields.status;
    return status === "applied" || status === "not_applicable";
  }

  async #replicated(): Promise<void> {
    if (this.#world.topology === "replica" && !this.#failedOver && !this.#lagging) {
      await (this.#world.client as unknown as { wait(replicas: number, ms: number): Promise<number> }).wait(
        1,
        2000,
      );
    }
  }

  /** Ends all that disturbs, and waits for the runners. */
  async #calm(): Promise<void> {
    this.#say("all faults end");
    this.#over = true;
    this.#gate.open();
    await this.#endLasting();
    await this.#moving;
    await Promise.all(this.#world.masters().map(calm));
    for (const [i, runner] of this.#runners.entries()) {
      while (runner.frozenAt !== null && Date.now() < runner.frozenAt + FREEZE_MS) await pause(20);
      runner.thaw();
      if (await runner.ended(END_MS) === null && runner.busy) {
        this.#say(`runner ${i}: did not end, is killed`);
        runner.kill();
      }
    }
    await this.#look();
    if (this.#ledger.begunBy === Infinity) this.#ledger.begunBy = Date.now();
  }

  /** The program finishes what it can, says what it cannot, and cleans up. */
  async #settle(): Promise<void> {
    const said: Answer[] = [];
    const deployments = this.#history.populations.map(({ deployment }) => deployment);
    const statuses = new Map<string, string>();
    this.#ledger.copyingFrom = Math.min(this.#ledger.copyingFrom, Date.now());
    for (const deployment of deployments) {
      await this.#ask(["migrate", "unlock", "--yes", "--force", "--json", "--redis-only"], deployment);
      said.push(await this.#finish(deployment));
      const list = await this.#ask(["migrate", "list", "--json", "--redis-only"], deployment);
      const migrations = list?.objects[0]?.migrations as { name: string; status: string }[] | undefined;
      for (const { name, status } of migrations ?? []) statuses.set(`${deployment} ${name}`, status);
      const verified = await this.#ask(["migrate", "verify", "--full", "--json", "--redis-only"], deployment);
      if (verified !== null) said.push(verified);
    }
    await this.#judge("in the end", said, statuses);
    if (this.#finds.length > 0) return;
    for (const deployment of deployments) {
      const cleaned = await this.#ask(
        ["migrate", "cleanup", "--yes", "--force", "--json", "--redis-only"],
        deployment,
      );
      if (cleaned !== null) said.push(cleaned);
    }
    await this.#judge("after cleanup", said, statuses);
  }

  async #finish(deployment: string): Promise<Answer> {
    const words = [
      "migrate",
      "apply",
      "--yes",
      "--json",
      "--redis-only",
      "--lock-ttl",
      "10s",
      "--lock-wait",
      "5s",
    ];
    let answer: Answer | null = null;
    for (let run = 1; run <= LAST_RUNS; run++) {
      answer = await this.#ask(words, deployment);
      if (answer?.code === 0) return answer;
      if (answer?.code === 1 && issuesOf(answer).length > 0) return answer;
    }
    this.#finds.push({
      key: "the program",
      what: `apply does not finish: ${answer === null ? "no answer" : describeAnswer(answer)}`,
    });
    return answer!;
  }

  async #ask(words: readonly string[], deployment: string): Promise<Answer | null> {
    const runner = this.#runners[0]!;
    runner.start({ words, deployment, process: false });
    const answer = await runner.ended(4 * END_MS);
    if (answer === null) {
      this.#finds.push({ key: "the program", what: `${words.join(" ")} does not end` });
      runner.kill();
    }
    return answer;
  }

  async #judge(when: string, said: readonly Answer[], statuses: ReadonlyMap<string, string>): Promise<void> {
    const issues = said.flatMap(issuesOf);
    const unnamed = issues.map((issue) => Number(/^Others\b.*: (\d+)$/.exec(issue)?.[1] ?? 0));
    const verdicts: Verdicts = {
      issues,
      unnamed: Math.max(0, ...unnamed),
      status: (deployment, name) => statuses.get(`${deployment} ${name}`) ?? "unknown",
      appliedSince: (deployment, name) => this.#appliedSince(deployment, name),
    };
    for (const find of await judge(this.#world, this.#ledger, verdicts)) {
      this.#finds.push({ ...find, what: `${when}: ${find.what}` });
    }
  }

  #appliedSince(deployment: string, name: string): number {
    const runs = this.#answers.filter((answer) => answer.deployment === deployment);
    const applied = runs.filter((answer) => appliedBy(answer).includes(`redis/${name}`)).map((
      { startedAt },
    ) => startedAt);
    // What was there for longer than a lease before `init` ended, it must have seen: else it wrote without the lock.
    const marked = runs.filter(({ objects }) => objects[0]?.redis === "marked").map(({ endedAt }) =>
      endedAt - 2 * LEASE_MS
    );
    return Math.max(0, ...applied, ...marked);
  }
}

async function each<T>(list: readonly T[], work: (item: T) => Promise<unknown>): Promise<void> {
  await Promise.all(list.map(work));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
