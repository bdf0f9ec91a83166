/**
 * Plays a history: lets everything happen in its order, then lets the program finish undisturbed, and asks the oracle.
 *
 * @module
 */

import type { Redis } from "ioredis";
import { type Answer, appliedBy, describeAnswer, issuesOf, perDeployment, unnamedIn } from "../answer.ts";
import { COPY } from "../../../engine/redis/scripts/copying.ts";
import { RESTORE_NEW } from "../../../engine/redis/scripts/copying_across_nodes.ts";
import { PRUNE } from "../../../engine/redis/scripts/listing.ts";
import { RECORD } from "../../../engine/redis/scripts/writing.ts";
import { describe, type Event, flagsOf, type Happening, type History } from "../history.ts";
import { type Outcome, pause, Stage } from "../stage.ts";
import { Application, type Form } from "./application.ts";
import { addForeign } from "./foreign.ts";
import { Ledger } from "./ledger.ts";
import { OlderTool } from "./older_tool.ts";
import { judge, type Verdicts } from "./oracle.ts";
import { calm, type RedisWorld } from "./servers.ts";
import { disturbServers, type LastingFault } from "./server_faults.ts";
import { digestAnywhere, readStored } from "./stored.ts";

/** The lease of every run. */
const LEASE_MS = 1000;
/** Records for which a server has no room twice, and what is left for all else: applications, connections, bookkeeping. */
const LARGE = { records: 50, bytes: 200_000, room: 5_000_000 };
/** How the program finishes what it can. */
const APPLY = "migrate apply --yes --json --redis-only --lock-ttl 10s --lock-wait 5s".split(" ");
/** A key of another application, whose name might be that of a deployment. */
const STRANGER = "cache:outpost:config";
/** Records on a list that is too long for one step. */
const LONG = 1001;
/** How often the program is run in the end before it counts as unable to finish. */
const LAST_RUNS = 4;

/** Plays a history on servers that hold nothing else meanwhile. */
export async function play(history: History, world: RedisWorld): Promise<Outcome> {
  return await new Play(history, world).run();
}

class Play {
  readonly #history: History;
  readonly #world: RedisWorld;
  readonly #stage: Stage;
  readonly #ledger = new Ledger();
  readonly #older: OlderTool;
  readonly #releases: Record<"legacy" | "tagged" | "current", Application>;
  #lasting: LastingFault | null = null;
  /** Goes back to what the server would have after a restart: nothing, until something is saved. */
  #goBack = this.#ledger.save();
  /** What is in the first database, beside the one of the history. */
  #beside: string | null = null;
  /** When applications wrote while nothing was recorded of 001. */
  readonly #unmarked: number[] = [];
  #salt = 0;
  /** When another tool marked migrations applied for all deployments; 0 for never. */
  #sharedAt = 0;

  constructor(history: History, world: RedisWorld) {
    this.#history = history;
    this.#world = world;
    this.#stage = new Stage(world, history.events);
    const client = () => this.#world.client;
    this.#older = new OlderTool(client, this.#stage);
    const release = (form: Form) => new Application(client, this.#ledger, form, history);
    this.#releases = { legacy: release("legacy"), tagged: release("tagged"), current: release("current") };
  }

  async run(): Promise<Outcome> {
    await this.#world.reset(this.#history);
    await this.#populate();
    for (const event of this.#history.events) await this.#happen(event);
    await this.#calm();
    await this.#settle();
    return { finds: this.#stage.finds, log: this.#stage.log };
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
        this.#ledger.foreign.set(key, await digestAnywhere(this.#world.masters(), key) ?? "");
      }
    }
    if (this.#isForAll) await this.#addStranger();
    if (this.#history.oldest) await this.#addOldest();
    if (this.#history.shared) await this.#markForAll();
    if (this.#history.database !== 0) await this.#settleBeside();
    await this.#replicated();
    if (this.#history.scarce) await this.#limitMemory();
    if (this.#history.long) await this.#lengthenList();
    if (this.#history.coarse) await pause(1000 - Date.now() % 1000);
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

  /** Some run is for all deployments that there are: it has to tell which these are. */
  get #isForAll(): boolean {
    return this.#history.events.some((event) => event.type === "run" && event.together?.length === 0);
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
    await this.#replicated();
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

  #old(deployment: string): Application {
    return deployment === "" ? this.#releases.legacy : this.#releases.tagged;
  }

  async #happen(event: Event): Promise<void> {
    await this.#stage.after(event.after);
    await this.#look();
    if (this.#lasting !== null && --this.#lasting.left < 0) await this.#endLasting();
    switch (event.type) {
      case "application":
        return await this.#act(event);
      case "run":
        return await this.#start(event);
      case "runner_fault":
        if (event.fault.includes("_before_")) {
          // What a server does not know by its hash is sent to it by its text, which nobody aims at.
          for (const { source } of [COPY, RESTORE_NEW, PRUNE, RECORD]) {
            for (const node of this.#world.masters()) await node.script("LOAD", source);
          }
        }
        this.#stage.disturb(event.runner, event.fault);
        return;
      case "older_tool":
        this.#stage.say(describe(event, this.#history));
        return await this.#older[event.action]();
      case "refusal":
        return this.#stage.refuse(event);
      case "server_fault":
        this.#stage.say(describe(event, this.#history));
        this.#lasting = both(this.#lasting, await disturbServers(event, this.#world, this.#stage));
        // Who takes over may not have heard that it has begun: then it begins anew.
        if (event.fault === "failover") this.#ledger.begunBy = Infinity;
        if (event.fault === "snapshot") this.#goBack = this.#ledger.save();
        if (event.fault === "restart") this.#goBack();
    }
  }

  async #act(event: Happening & { type: "application" }): Promise<void> {
    if (this.#lasting !== null || this.#world.lagging) return; // Its writes would not be acknowledged.
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
    const actedAt = Date.now();
    const keys = await application.act(event.action, where);
    if (keys.length > 0 && await this.#world.client.exists("outpost:migration:001_hash_tags") === 0) {
      this.#unmarked.push(actedAt);
    }
    await this.#replicated();
    if (keys.length > 0) {
      this.#stage.say(
        `${describe(event, this.#history)}: wrote ${keys.map((key) => JSON.stringify(key)).join(", ")}`,
      );
    }
  }

  async #start(
    { runner, words, deployment: at, process, ...event }: Happening & { type: "run" },
  ): Promise<void> {
    const { populations } = this.#history;
    const { together } = event;
    const meant = together === undefined ? [at] : together.length === 0 ? populations.keys() : together;
    const unprefixed = [...meant].some((index) => populations[index]!.deployment === "");
    const all = words.every((word) => !word.startsWith("redis/"));
    if (unprefixed && words[1] === "apply" && (all || words.includes("redis/1"))) {
      this.#ledger.copyingFrom = Math.min(this.#ledger.copyingFrom, Date.now());
    }
    if (unprefixed && words[1] === "resolve") this.#ledger.settle(words);
    const text = describe({ ...event, runner, words, deployment: at, process }, this.#history);
    const clock = event.aheadMs === undefined ? {} : { aheadMs: event.aheadMs };
    const deployment = together === undefined ? populations[at]!.deployment : "";
    const flags = flagsOf(event, populations);
    await this.#stage.start(runner, { words: [...words, ...flags], deployment, process, ...clock }, text);
  }

  async #endLasting(): Promise<void> {
    const lasting = this.#lasting;
    this.#lasting = null;
    await lasting?.end();
    if (lasting !== null) this.#stage.say("servers: well again");
  }

  /** Notes when 001 first began. */
  async #look(): Promise<void> {
    if (this.#ledger.copyingFrom === Infinity) return;
    const state = await readStored(this.#world.client, "outpost:migration:001_hash_tags");
    if (state === null) return;
    const { first_began_at: told = String(Date.now() + 1) } = state.fields;
    this.#ledger.begunBy = Math.min(this.#ledger.begunBy, Number(told));
  }

  async #isApplied(deployment: string, name: string): Promise<boolean> {
    const prefix = deployment === "" ? "" : `${deployment}:`;
    const state = await readStored(this.#world.client, `${prefix}outpost:migration:${name}`);
    const status = state?.fields.status;
    return status === "applied" || status === "not_applicable";
  }

  /** A write counts as acknowledged once it would survive the primary. */
  async #replicated(): Promise<void> {
    await this.#ledger.caughtUp();
    if (this.#world.replicas === 0) return;
    await (this.#world.client as unknown as { wait(replicas: number, ms: number): Promise<number> }).wait(
      1,
      2000,
    );
  }

  /** Ends all that disturbs, and waits for the runners. */
  async #calm(): Promise<void> {
    this.#stage.say("all faults end");
    await this.#older.unlock();
    await this.#endLasting();
    await this.#world.settled();
    await Promise.all(this.#world.masters().map(calm));
    await this.#stage.calm();
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
      await this.#stage.ask(["migrate", "unlock", "--yes", "--force", "--json", "--redis-only"], deployment);
    }
    if (this.#history.shared) {
      // Where nothing else is to be done, only this looks whether what is taken over is true.
      for (const one of deployments) {
        await this.#stage.ask(["migrate", "init", "--json", "--redis-only"], one);
      }
    }
    const together = this.#together();
    if (together !== null) await this.#stage.ask([...APPLY, ...together]);
    for (const deployment of deployments) {
      said.push(await this.#finish(deployment));
      const list = await this.#stage.ask(["migrate", "list", "--json", "--redis-only"], deployment);
      const migrations = list?.objects[0]?.migrations as { name: string; status: string }[] | undefined;
      for (const { name, status } of migrations ?? []) statuses.set(`${deployment} ${name}`, status);
      const verified = await this.#stage.ask(
        ["migrate", "verify", "--full", "--json", "--redis-only"],
        deployment,
      );
      if (verified !== null) said.push(verified);
    }
    await this.#judge("in the end", { said, cleaned: [] }, statuses);
    if (this.#stage.finds.length > 0) return;
    if (deployments.includes("") && !this.#history.unsettled) await this.#resolve(said, statuses);
    if (this.#stage.finds.length > 0) return;
    const cleaned: Answer[] = [];
    const clean = ["migrate", "cleanup", "--yes", "--force", "--json", "--redis-only"];
    if (together !== null) {
      const answer = await this.#stage.ask([...clean, ...together]);
      if (answer !== null) cleaned.push(...perDeployment(answer));
    } else {
      for (const deployment of deployments) {
        const answer = await this.#stage.ask(clean, deployment);
        if (answer !== null) cleaned.push(answer);
      }
    }
    await this.#judge("after cleanup", { said, cleaned }, statuses);
    if (!this.#history.unsettled || this.#stage.finds.length > 0) return;
    // What is kept is known for what it is once more, and is kept again.
    const again = [await this.#finish("")];
    for (const words of [["migrate", "verify", "--full", "--json", "--redis-only"], clean]) {
      const answer = await this.#stage.ask(words);
      if (answer !== null) again.push(answer);
    }
    const verdict = { said: again.slice(0, 2), cleaned: again.slice(2) };
    await this.#judge("after another cleanup", verdict, statuses);
  }

  /** Who works on several deployments at once does so in the end too. @returns The flags; null where nobody does. */
  #together(): readonly string[] | null {
    const { events, populations } = this.#history;
    const isTogether = events.some((event) => event.type === "run" && event.together !== undefined);
    return isTogether ? flagsOf({ together: [...populations.keys()] }, populations) : null;
  }

  /** A person settles what the program could not: then nothing is in its way any more. */
  async #resolve(said: Answer[], statuses: Map<string, string>): Promise<void> {
    const differs = () =>
      said.some((answer) => answer.deployment === "" && issuesOf(answer).some(isDifference));
    if (!differs()) return;
    const keep = this.#history.seed % 2 === 0 ? "original" : "copy";
    const words = [
      "migrate",
      "resolve",
      "redis/1",
      "--all",
      "--keep",
      keep,
      "--yes",
      "--json",
      "--redis-only",
    ];
    // What is settled may show another difference: of a list whose destinations have changed by it.
    for (let round = 1; round <= LAST_RUNS; round++) await this.#stage.ask(words);
    this.#ledger.settle(words);
    said.splice(0, said.length, ...said.filter((answer) => answer.deployment !== ""), await this.#finish(""));
    const verified = await this.#stage.ask(["migrate", "verify", "--full", "--json", "--redis-only"]);
    if (verified !== null) said.push(verified);
    statuses.set(" 001_hash_tags", await this.#isApplied("", "001_hash_tags") ? "applied" : "failed");
    if (differs()) this.#stage.complain("the program", "what was resolved by hand is a difference still");
    await this.#judge(`resolved by hand, keeping the ${keep}`, { said, cleaned: [] }, statuses);
  }

  async #finish(deployment: string): Promise<Answer> {
    let answer: Answer | null = null;
    for (let run = 1; run <= LAST_RUNS; run++) {
      answer = await this.#stage.ask(APPLY, deployment);
      if (answer?.code === 0) return answer;
      if (answer?.code === 1 && issuesOf(answer).length > 0) return answer;
    }
    this.#stage.complain(
      "the program",
      `apply does not finish: ${answer === null ? "no answer" : describeAnswer(answer)}`,
    );
    return answer!;
  }

  async #judge(
    when: string,
    { said, cleaned }: { readonly said: readonly Answer[]; readonly cleaned: readonly Answer[] },
    statuses: ReadonlyMap<string, string>,
  ): Promise<void> {
    const issues = [...said, ...cleaned].flatMap(issuesOf);
    // What `apply` did in spite of what it found there, it notes; that is no alarm.
    const alarms = said.filter(({ code }) => code !== 0).flatMap(issuesOf).filter((issue) =>
      !issue.includes(": kept, ")
    );
    const verdicts: Verdicts = {
      issues,
      alarms,
      unnamed: Math.max(0, ...[...said, ...cleaned].map(unnamedIn)),
      status: (deployment, name) => statuses.get(`${deployment} ${name}`) ?? "unknown",
      appliedSince: (deployment, name) => this.#appliedSince(deployment, name),
      appliedDuring: (deployment, name, at) =>
        this.#runsThatApplied(deployment, name).some(({ startedAt, endedAt }) =>
          at >= startedAt && at <= endedAt
        ),
    };
    for (const find of await judge(this.#world, this.#ledger, verdicts)) {
      this.#stage.complain(find.key, `${when}: ${find.what}`);
    }
    if (this.#isForAll) {
      for (const node of this.#world.masters()) {
        const others = (await node.keys("cache:*")).filter((key) => key !== STRANGER);
        if (others.length > 0) this.#stage.complain(STRANGER, `${when}: it was given ${others.join(", ")}`);
      }
    }
    if (this.#beside === null) return;
    const beside = await contentOf(this.#world.first!);
    if (beside !== this.#beside) this.#stage.complain("the first database", `${when}: it holds ${beside}`);
  }

  #runsThatApplied(deployment: string, name: string): Answer[] {
    return this.#stage.answers.filter((answer) =>
      answer.deployment === deployment && appliedBy(answer).includes(`redis/${name}`)
    );
  }

  #appliedSince(deployment: string, name: string): number {
    const applied = this.#runsThatApplied(deployment, name).map(({ startedAt }) => startedAt);
    const marked = this.#stage.answers.filter((answer) =>
      answer.deployment === deployment && answer.objects[0]?.redis === "marked"
    );
    // What was there for longer than a lease before `init` ended, it must have seen: else it wrote without the lock.
    const seen = marked.map(({ endedAt }) => endedAt - 2 * LEASE_MS);
    if (applied.length > 0) return Math.max(...applied, ...seen);
    // And what came while one stood still for longer than its lease, before anything was marked, whatever it said of itself.
    const asleep = this.#stage.answers.filter((answer) =>
      answer.deployment === deployment && answer.words[1] === "init"
    ).flatMap(({ standstills }) => standstills);
    const overslept = asleep.flatMap(([from, to]) =>
      this.#unmarked.filter((at) => at >= from && at < to - LEASE_MS).map((at) => at + 1)
    );
    return Math.max(this.#sharedAt, ...seen, ...overslept);
  }
}

/** Everything that a small database holds, to be compared. */
async function contentOf(client: Redis): Promise<string> {
  const keys = (await client.keys("*")).sort();
  return JSON.stringify(
    await Promise.all(keys.map(async (key) => [key, await digestAnywhere([client], key)])),
  );
}

/** What was written since all had been copied is none: a rerun copies it. */
function isDifference(issue: string): boolean {
  return /: its copy .* is different$|and nothing tells whether/.test(issue);
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
