/**
 * How a history of Redis ends: the program finishes what it can and says what it cannot, a person settles that, cleanup deletes; and
 * the oracle is asked before and after each.
 *
 * @module
 */

import { type Answer, appliedBy, describeAnswer, issuesOf, perDeployment, unnamedIn } from "../answer.ts";
import { flagsOf } from "../history.ts";
import { judge, type Verdicts } from "./oracle.ts";
import type { Beginning } from "./populate.ts";
import { isApplied, isForAll, LEASE_MS, resolveAll, type Scene, STRANGER } from "./scene.ts";
import { contentOf } from "./stored.ts";

/** How the program finishes what it can. */
const APPLY = "migrate apply --yes --json --redis-only --lock-ttl 10s --lock-wait 5s".split(" ");

/** How often the program is run in the end before it counts as unable to finish. */
const LAST_RUNS = 4;

/** Ends a history in which nothing happens any more. */
export class Ending {
  readonly #scene: Scene;
  readonly #beginning: Beginning;
  readonly #history;
  readonly #world;
  readonly #stage;
  readonly #ledger;

  /** @param beginning What there was. */
  constructor(scene: Scene, beginning: Beginning) {
    this.#scene = scene;
    this.#beginning = beginning;
    ({ history: this.#history, world: this.#world, stage: this.#stage, ledger: this.#ledger } = scene);
  }

  /** The program finishes what it can, says what it cannot, and cleans up. */
  async settle(): Promise<void> {
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
    const words = resolveAll(keep);
    // What is settled may show another difference: of a list whose destinations have changed by it.
    for (let round = 1; round <= LAST_RUNS; round++) await this.#stage.ask(words);
    this.#ledger.settle(words);
    said.splice(0, said.length, ...said.filter((answer) => answer.deployment !== ""), await this.#finish(""));
    const verified = await this.#stage.ask(["migrate", "verify", "--full", "--json", "--redis-only"]);
    if (verified !== null) said.push(verified);
    statuses.set(" 001_hash_tags", await isApplied(this.#world, "", "001_hash_tags") ? "applied" : "failed");
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
    if (isForAll(this.#history)) {
      for (const node of this.#world.masters()) {
        const others = (await node.keys("cache:*")).filter((key) => key !== STRANGER);
        if (others.length > 0) this.#stage.complain(STRANGER, `${when}: it was given ${others.join(", ")}`);
      }
    }
    if (this.#beginning.beside === null) return;
    const beside = await contentOf(this.#world.first!);
    if (beside !== this.#beginning.beside) {
      this.#stage.complain("the first database", `${when}: it holds ${beside}`);
    }
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
      this.#scene.unmarked.filter((at) => at >= from && at < to - LEASE_MS).map((at) => at + 1)
    );
    return Math.max(this.#beginning.sharedAt, ...seen, ...overslept);
  }
}

/** What was written since all had been copied is none: a rerun copies it. */
function isDifference(issue: string): boolean {
  return /: its copy .* is different$|and nothing tells whether/.test(issue);
}
