/**
 * Starts runners in processes of their own, and proves from the stores alone that they never worked at the same time.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import type { Cluster, Redis } from "ioredis";
import type postgres from "postgres";
import type { ChildEvent, ChildOptions } from "./lock_child.ts";

/** A child that runs. */
export interface Runner extends AsyncDisposable {
  readonly pid: number;
  /** Everything it printed so far. */
  readonly events: readonly ChildEvent[];
  /** Resolves with the next event of a kind that was not returned yet. */
  next(event: ChildEvent["event"]): Promise<ChildEvent>;
  kill(signal: Deno.Signal): void;
  /** Its exit status, once it ended. */
  readonly code: Promise<number>;
}

/** Starts a child. */
export function startRunner(options: ChildOptions): Runner {
  const file = new URL("./lock_child.ts", import.meta.url).href;
  const command = [Deno.execPath(), "run", "-A", "--quiet", "--no-check", file, JSON.stringify(options)];
  // A paused process would outlive a test run that is cut off.
  const [program, ...args] = Deno.build.os === "linux"
    ? ["setpriv", "--pdeathsig=KILL", ...command]
    : command;
  const child = new Deno.Command(program!, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const events: ChildEvent[] = [];
  const seen = new Map<string, number>();
  const waiting = new Set<() => void>();
  let ended = false;
  const reading = (async () => {
    let rest = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + chunk).split("\n");
      rest = lines.pop()!;
      for (const line of lines) events.push(JSON.parse(line));
      for (const wake of waiting) wake();
    }
    ended = true;
    for (const wake of waiting) wake();
  })();
  const kill = (signal: Deno.Signal) => {
    try {
      child.kill(signal);
    } catch {
      // It has ended already.
    }
  };
  return {
    pid: child.pid,
    events,
    kill,
    code: child.status.then(({ code }) => code),
    async next(kind) {
      while (true) {
        const from = seen.get(kind) ?? 0;
        const index = events.findIndex(({ event }, i) => i >= from && event === kind);
        if (index >= 0) {
          seen.set(kind, index + 1);
          return events[index]!;
        }
        if (ended) throw new Error(`The runner ended without "${kind}": ${JSON.stringify(events.at(-1))}`);
        await new Promise<void>((resolve) => {
          const wake = () => (waiting.delete(wake), resolve());
          waiting.add(wake);
        });
      }
    },
    async [Symbol.asyncDispose]() {
      kill("SIGCONT");
      kill("SIGKILL");
      await reading;
      await child.status;
    },
  };
}

/** Makes the table that runners append to. */
export async function createLogTable(sql: postgres.Sql): Promise<void> {
  await sql`create table counter (n int not null)`;
  await sql`insert into counter values (0)`;
  await sql`create table log (n int not null, token text not null)`;
}

/**
 * Proves mutual exclusion: in every log the writes of a token stand together, and whoever took the lock found all writes of
 * all others before the length that it read then.
 *
 * @returns The tokens of the first log, in order.
 */
export async function assertExclusive(
  runners: readonly Runner[],
  lists: readonly string[],
  client: Redis | Cluster | null,
  sql: postgres.Sql | null,
): Promise<readonly string[]> {
  const logs: string[][] = [];
  if (client !== null) { for (const list of lists) logs.push(await client.lrange(list, 0, -1)); }
  if (sql !== null) {
    logs.push((await sql<{ token: string }[]>`select token from log order by n`).map(({ token }) => token));
  }
  for (const log of logs) {
    const turns = log.filter((token, i) => token !== log[i - 1]);
    assertEquals(
      turns.length,
      new Set(turns).size,
      `a token wrote, paused and wrote again: ${turns.join(" ")}`,
    );
  }
  for (const event of runners.flatMap(({ events }) => events)) {
    if (event.event !== "acquired") continue;
    for (const [i, log] of logs.entries()) {
      const mine = log.indexOf(event.token);
      if (mine >= 0) assertEquals(mine, event.lengths[i], "somebody wrote after this one had the lock");
    }
  }
  return [...new Set(logs[0])];
}
