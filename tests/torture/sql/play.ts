/**
 * Plays a history of the log store: lets everything happen in its order, then lets the program finish undisturbed, and asks the
 * oracle.
 *
 * @module
 */

import { type Answer, describeAnswer, hintOf } from "../answer.ts";
import { type Outcome, pause, Stage, WHOLE_RUN } from "../stage.ts";
import { LogApplication } from "./application.ts";
import type { Databases, LogDatabase } from "./databases.ts";
import { differences, fingerprint, readPrepared } from "./fingerprint.ts";
import { describeLog, type LogEvent, type LogHappening, type LogHistory } from "./history.ts";
import { LogLedger } from "./ledger.ts";
import { Operator } from "./operator.ts";
import { applyInTheWay, type Cast, moveAfterShown, readLate, readWhileLocked, savePlan } from "./scenes.ts";
import { judgeLog, readNeighbour } from "./oracle.ts";

const LATEST = 10;
const LAST_RUNS = 4;
/** A frozen run is ended by the server after its lease of a second; one that stands for so long is ended by nothing. */
const THAW_MS = 30_000;
const WRITING = ["--json", "--sql-only", "--lock-ttl", "5s", "--lock-wait", "5s"];

/** Far more than a few rows take that nothing keeps from being written. */
const MEANWHILE_MS = 150;

/** Plays a history in a database of its own. */
export async function playLog(history: LogHistory, databases: Databases): Promise<Outcome> {
  await using database = await databases.create(history.start);
  return await new LogPlay(history, databases, database).run();
}

class LogPlay {
  readonly #history: LogHistory;
  readonly #databases: Databases;
  readonly #database: LogDatabase;
  readonly #ledger = new LogLedger();
  readonly #application: LogApplication;
  readonly #operator: Operator;
  readonly #stage: Stage;
  readonly #sql;

  constructor(history: LogHistory, databases: Databases, database: LogDatabase) {
    this.#history = history;
    this.#databases = databases;
    this.#database = database;
    this.#application = new LogApplication(() => database.connect("application"), this.#ledger);
    this.#operator = new Operator(database, this.#ledger, history.start.elsewhere);
    this.#stage = new Stage(database, history.events);
    this.#sql = database.connect("super");
  }

  async run(): Promise<Outcome> {
    const { start, events } = this.#history;
    if (start.version > 0) await this.#application.fill(start.events);
    const neighbour = await readNeighbour(this.#sql, start.schema);
    for (const event of events) await this.#happen(event);
    await this.#calm();
    await this.#settle();
    if (await readNeighbour(this.#sql, start.schema) !== neighbour) {
      this.#stage.complain("public", "the other Outpost was changed");
    }
    return { finds: this.#stage.finds, log: this.#stage.log };
  }

  async #happen(event: LogEvent): Promise<void> {
    await this.#stage.after(event.after);
    if (!this.#stage.busy) await this.#checkVersion();
    const text = describeLog(event);
    switch (event.type) {
      case "application":
        this.#application.far = this.#operator.partitioned && event.at % 2 === 0;
        this.#stage.say(text);
        return this.#application.act(event.action, event.at);
      case "operator":
        this.#stage.say(text);
        return this.#operator.act(event.action, event.at);
      case "run":
        return await this.#start(event, text);
      case "runner_fault":
        // What was begun while it stood still has been done by now, unless it is kept waiting.
        if (event.fault === "wake") await pause(MEANWHILE_MS);
        this.#stage.disturb(event.runner, event.fault);
        return;
      case "refusal":
        return this.#stage.refuse(event);
      case "long_freeze":
        return await this.#freeze(event);
      case "read_while_locked":
        return await readWhileLocked(this.#cast(), event, text);
      case "apply_in_the_way":
        return await applyInTheWay(this.#cast(), event, text);
      case "down_and_follow":
        return await this.#downAndFollow(event, text);
      case "move_after_shown":
        if (event.words[0] !== "down" || await this.#mayTakeBack(4)) {
          await moveAfterShown(this.#cast(), event, text);
        }
        return;
      case "save_plan":
        return await savePlan(this.#cast(), text);
      case "read_late":
        return await readLate(this.#cast(), event, text);
    }
  }

  #cast(): Cast {
    return {
      stage: this.#stage,
      operator: this.#operator,
      application: this.#application,
      version: () => this.#version(),
      writersWait: () => this.#isHeld(["ShareLock", "ShareRowExclusiveLock", "ExclusiveLock"]),
      until: (holds) => this.#until(holds),
    };
  }

  async #start({ runner, words, process }: LogHappening & { type: "run" }, text: string): Promise<void> {
    if (words[1] === "down" && !await this.#mayTakeBack(Number(words[2]))) return;
    await this.#stage.start(runner, { words, deployment: "", process }, text);
  }

  /** Version 0 has no tables, and what they held is gone on purpose: no history goes so far. */
  async #mayTakeBack(steps: number): Promise<boolean> {
    const from = Math.min(await this.#version(), this.#stage.busy ? this.#ledger.lowest : LATEST);
    if (from - steps < 1) return false;
    this.#ledger.lowest = Math.min(this.#ledger.lowest, from - steps);
    return true;
  }

  async #freeze({ runner, holding }: LogHappening & { type: "long_freeze" }): Promise<void> {
    if (holding && !await this.#until(() => this.#isHeld(["AccessExclusiveLock"]))) return;
    if (!this.#stage.disturb(runner, "freeze")) return;
    const before = this.#ledger.waits.length;
    this.#application.act("read", 0);
    const deadline = performance.now() + THAW_MS;
    while (this.#ledger.waits.length === before && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    if (this.#ledger.waits.length === before) {
      this.#stage.complain(
        "the application",
        `it cannot read while a run stands still, for more than ${THAW_MS} ms`,
      );
    }
    this.#stage.thaw(runner);
  }

  /** Lets commands pass one by one until something holds. @returns False when nothing runs any more before that. */
  async #until(holds: () => Promise<boolean>): Promise<boolean> {
    for (let passed = 0; passed < WHOLE_RUN && this.#stage.busy; passed++) {
      if (await holds()) return true;
      await this.#stage.after(1);
    }
    return false;
  }

  /** True while somebody has a table of the application locked in one of these modes. */
  async #isHeld(modes: readonly string[]): Promise<boolean> {
    const held = await this.#sql`
      select from pg_locks l join pg_class c on c.oid = l.relation
       where l.granted and l.mode = any(${modes as string[]}) and c.relname in ('events', 'deliveries', 'attempts')
         and l.database = (select oid from pg_database where datname = current_database())`;
    return held.length > 0;
  }

  /** What a hint says may be done twice: it takes back no more than was asked for. */
  async #downAndFollow(
    { begun, steps, fault, commands }: LogHappening & { type: "down_and_follow" },
    text: string,
  ): Promise<void> {
    await this.#stage.calm();
    if (!await this.#mayTakeBack(steps)) return;
    const before = await this.#version();
    const words = ["migrate", "down", String(steps), "--yes", ...WRITING];
    await this.#stage.start(0, { words, deployment: "", process: false }, text);
    if (begun) await this.#until(async () => await this.#version() < before);
    await this.#stage.after(commands);
    this.#stage.disturb(0, fault);
    const answers = this.#stage.answers.length;
    await this.#stage.calm();
    const answer = this.#stage.answers[answers];
    if (answer === undefined || answer.code === 0) return;
    const hint = hintOf(answer) ?? "";
    const advised = /outpost (migrate down [\w -]+)/.exec(hint)?.[1] ??
      (hint.includes("same command again") ? `migrate down ${steps}` : undefined);
    if (advised === undefined) return;
    await this.#operator.relax(); // What it waits for would take longer than a history.
    const following = advised.trim().split(" ").filter((word) => word !== "--yes");
    await this.#stage.ask([...following, "--yes", ...WRITING]);
    const after = await this.#version();
    if (after < before - steps) {
      this.#stage.complain(
        "the version",
        `down ${steps} from ${before} and its hint "${advised}" led to ${after}`,
      );
    }
  }

  async #calm(): Promise<void> {
    this.#stage.say("all faults end");
    await this.#stage.calm();
    await this.#operator.relax();
    await this.#application.settled();
  }

  async #settle(): Promise<void> {
    await this.#finish();
    await this.#checkVersion();
    const version = await this.#version();
    if (version !== LATEST) return this.#stage.complain("the version", `it is ${version} in the end`);
    const verified = await this.#stage.ask(["migrate", "verify", "--full", "--json", "--sql-only"]);
    if (verified !== null && verified.code !== 0) {
      this.#stage.complain("the program", `verify fails: ${describeAnswer(verified)}`);
    }
    const left = await readPrepared(this.#sql, this.#database.schema);
    if (left.length > 0) this.#stage.complain("what was prepared", `it is left behind: ${left.join(", ")}`);
    for (const what of await this.#operator.missing()) {
      this.#stage.complain("the operator", `what was set on a table is gone: ${what}`);
    }
    for (const { key, what } of await judgeLog(this.#sql, this.#ledger)) this.#stage.complain(key, what);
  }

  async #finish(): Promise<void> {
    let answer: Answer | null = null;
    for (let run = 1; run <= LAST_RUNS; run++) {
      // What is prepared may be of no use by now, which the error then says with this way out.
      const without = answer !== null && (hintOf(answer) ?? "").includes("--no-prepared");
      answer = await this.#stage.ask([
        ...["migrate", "apply", "--yes", ...(without ? ["--no-prepared"] : [])],
        ...WRITING,
      ]);
      if (answer?.code === 0) return;
    }
    this.#stage.complain(
      "the program",
      `apply does not finish: ${answer === null ? "" : describeAnswer(answer)}`,
    );
  }

  /** What is recorded must be what is there. */
  async #checkVersion(): Promise<void> {
    const version = await this.#version();
    const all = await fingerprint(this.#sql, this.#database.schema);
    // What is built before step 8, which a run that was cut off leaves.
    const found = new Set(
      [...all].filter((line) => version !== 7 || !line.includes("outpost_destination_type")),
    );
    const wrong = version === 0 ? [] : differences(found, await this.#databases.schemaOf(version));
    if (wrong.length > 0) {
      this.#stage.complain("the version", `${version} is recorded, but ${wrong.join("; ")}`);
    }
  }

  async #version(): Promise<number> {
    const [table] = await this.#sql`select to_regclass('schema_migrations') as name`;
    if (table!.name === null) return 0;
    const rows = await this.#sql<{ version: number; dirty: boolean }[]>`
      select version::int as version, dirty from schema_migrations`;
    if (rows.length > 1 || rows[0]?.dirty) {
      this.#stage.complain("the version", `it is recorded as ${JSON.stringify(rows)}`);
    }
    return rows[0]?.version ?? 0;
  }
}
