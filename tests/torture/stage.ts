/**
 * Where a history is played: the runners with their networks, the gate between their commands, and the log of it all. What
 * happens to the stores is the business of each half.
 *
 * @module
 */

import { type Answer, describeAnswer, errorOf, perDeployment } from "./answer.ts";
import { type Deed, type LogDeed, textsOf } from "./faults/aims.ts";
import { Gate } from "./faults/gate.ts";
import { type ChosenFault, describeFault, type Refusal } from "./history.ts";
import { type Command, Runner, type Stores } from "./runner.ts";

/** Something that broke a promise. */
export interface Find {
  /** What it is about: mostly the name of a record. */
  readonly key: string;
  readonly what: string;
}

/** What came of a history. */
export interface Outcome {
  readonly finds: readonly Find[];
  /** What happened, in order. */
  readonly log: readonly string[];
}

const RUNNERS = 3;
/** How long a runner stands still: longer than its lease of a second. */
const FREEZE_MS = 1400;
/** When no command passes for so long, whatever comes next happens all the same. */
const PATIENCE_MS = 60;
/** More commands than a run has: it ends, or waits for somebody. */
export const WHOLE_RUN = 2000;
const SLOW_PATIENCE_MS = 1500;
/** Longest that one may take that goes on sending commands. */
const LONGEST_MS = 300_000;
/** How long a runner may take to end by itself once nothing is in its way. */
const END_MS = 8000;

/** Runs commands of the program and disturbs them. */
export class Stage {
  readonly #gate = new Gate();
  readonly #runners: Runner[];
  readonly #startedAt = Date.now();
  readonly finds: Find[] = [];
  readonly log: string[] = [];
  /** Every answer so far, in the order in which they came. */
  readonly answers: Answer[] = [];

  /** @param events Of the history: whether any command is refused decides how networks are made. */
  constructor(stores: Stores, events: readonly { readonly type: string }[]) {
    const refusals = events.some(({ type }) => type === "refusal");
    this.#runners = Array.from(
      { length: RUNNERS },
      (_, i) =>
        new Runner(this.#gate, stores, refusals, (answer) => {
          for (const one of perDeployment(answer)) {
            this.answers.push(one);
            const whose = one === answer ? "" : ` (deployment ${one.deployment})`;
            this.say(`runner ${i} ended: ${one.words.join(" ")}${whose}: ${describeAnswer(one)}`);
            const error = errorOf(one);
            if (error?.code === "internal") this.complain("the program", `internal: ${error.message}`);
          }
        }),
    );
  }

  /** True while any command runs. */
  get busy(): boolean {
    return this.#runners.some((runner) => runner.busy);
  }

  /** Notes a line in the log. */
  say(text: string): void {
    const at = String(Date.now() - this.#startedAt).padStart(6);
    this.log.push(`${at} ms, command ${this.#gate.passed}: ${text}`);
  }

  /** Notes a find. */
  complain(key: string, what: string): void {
    this.finds.push({ key, what });
  }

  /** Lets so many commands of the runners pass, and holds the next ones from then on. */
  async after(count: number): Promise<void> {
    // Whoever lets a whole run pass wants it to have begun, which on a busy machine takes its time.
    const isSlow = count >= WHOLE_RUN || this.#runners.some(({ slow, link }) => slow || link?.aimed === true);
    const patience = isSlow ? SLOW_PATIENCE_MS : PATIENCE_MS;
    await this.#gate.after(count, patience, () => !this.#runners.some((runner) => runner.moving));
    for (const runner of this.#runners) {
      if (runner.frozenAt !== null && Date.now() > runner.frozenAt + FREEZE_MS) runner.thaw();
    }
  }

  /** Starts a command. What the runner was at before is given time to end, and is killed if it does not. */
  async start(index: number, command: Command, text: string): Promise<void> {
    const runner = this.#runners[index]!;
    if (runner.busy) await this.end(index);
    this.say(text);
    runner.start(command);
  }

  /** Does something to a runner. @returns False when it was idle. */
  disturb(index: number, fault: ChosenFault<Deed | LogDeed>): boolean {
    const runner = this.#runners[index]!;
    if (!runner.busy) return false;
    this.say(`runner ${index}: ${describeFault(fault)}`);
    if (typeof fault === "object") {
      const { what, before, after } = fault;
      runner.link?.aim("coming", textsOf(before), () => this.#hit(index, what), after);
      return true;
    }
    switch (fault) {
      case "kill":
        runner.kill();
        break;
      case "interrupt":
        runner.interrupt();
        break;
      case "freeze":
        runner.freeze();
        break;
      case "cut":
        runner.link?.cut();
        break;
      case "half_reply":
        runner.link?.spoilNextReply("half");
        break;
      case "lost_reply":
        runner.link?.spoilNextReply("lost");
        break;
      case "wake":
        runner.thaw();
        break;
      case "wake_and_die":
        runner.thaw();
        runner.link?.aim("passing", [""], () => this.#hit(index, "kill"));
    }
    return true;
  }

  /** The next commands of a runner are answered with an error. */
  refuse({ runner: index, code, times }: Refusal): void {
    const { link } = this.#runners[index]!;
    if (link === null) return;
    this.say(`runner ${index}: ${code}, ${times} times`);
    link.refuse(code, times);
  }

  /** What was aimed at a command that the runner has sent. */
  #hit(index: number, what: "kill" | "freeze"): void {
    this.say(`runner ${index}: ${what}, as aimed`);
    this.#runners[index]![what]();
  }

  /** True while a runner stands still. */
  isFrozen(index: number): boolean {
    return this.#runners[index]!.frozenAt !== null;
  }

  /** Lets a runner go on that was frozen. */
  thaw(index: number): void {
    this.#runners[index]!.thaw();
  }

  /** Ends all connections of all runners, as a server does that dies. */
  cutAll(): void {
    for (const runner of this.#runners) runner.link?.cut();
  }

  /** Lets everything through from now on, and waits for the runners. */
  async calm(): Promise<void> {
    this.#gate.open();
    for (const index of this.#runners.keys()) await this.end(index);
  }

  /**
   * Runs one command undisturbed.
   *
   * @param patienceMs How long it may take. By default as long as it sends commands now and then, but not for ever: how fast it can
   * be depends on the machine.
   * @returns Null when it does not end, which is a find.
   */
  async ask(words: readonly string[], deployment = "", patienceMs?: number): Promise<Answer | null> {
    await this.end(0);
    const runner = this.#runners[0]!;
    runner.start({ words, deployment, process: false });
    let answer = await runner.ended(patienceMs ?? 4 * END_MS);
    for (let more = LONGEST_MS; answer === null && patienceMs === undefined && more > 0; more -= END_MS) {
      const { passed } = this.#gate;
      answer = await runner.ended(END_MS);
      if (answer === null && this.#gate.passed === passed) break;
    }
    if (answer === null) {
      this.complain("the program", `${words.join(" ")} does not end`);
      runner.kill();
    }
    return answer;
  }

  /** Runs a command that asks, and does something before it is told yes. @returns Null when it does not end, which is a find. */
  async agreeAfter(words: readonly string[], meanwhile: () => Promise<void>): Promise<Answer | null> {
    await this.end(1);
    const runner = this.#runners[1]!;
    const answers = [async () => {
      await meanwhile();
      return "y";
    }];
    runner.start({ words, deployment: "", process: false, answers });
    const answer = await runner.ended(LONGEST_MS);
    if (answer === null) {
      this.complain("the program", `${words.join(" ")} does not end`);
      runner.kill();
    }
    return answer;
  }

  /** Lets everything through, and waits until a runner has ended; one that does not is killed. */
  async end(index: number): Promise<void> {
    this.#gate.open();
    const runner = this.#runners[index]!;
    while (runner.frozenAt !== null && Date.now() < runner.frozenAt + FREEZE_MS) await pause(20);
    runner.thaw();
    if (await runner.ended(END_MS) === null && runner.busy) {
      this.say(`runner ${index}: does not end, is killed`);
      runner.kill();
    }
  }
}

/** Waits. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
