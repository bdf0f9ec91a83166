/**
 * Notices that a ClickHouse server has fallen silent. What is asked of it may honestly take long, so no answer is given a limit of
 * its own: while one is waited for, the server is asked now and then whether it is there, which it answers at once.
 *
 * @module
 */

import type { ClickHouseClient } from "@clickhouse/client";
import { pause } from "../../engine/pause.ts";

/** After so many milliseconds without an answer the server is asked, and so long it may take to say that it is there. */
const PATIENCE_MS = 10_000;

/**
 * Makes a client give up on a server that does not even answer that question.
 *
 * @param wait Waits for the time above, or until the signal fires.
 */
export function endSilence(
  client: ClickHouseClient,
  wait: (signal: AbortSignal) => Promise<void> = (signal) => pause(PATIENCE_MS, signal),
): ClickHouseClient {
  const guarded = guard(() => client.ping(), wait);
  const { query, command, insert } = client;
  return Object.assign(client, {
    query: async (asked: Parameters<typeof query>[0]) => {
      const result = await guarded((abort_signal) => query.call(client, { ...asked, abort_signal }));
      const { json } = result;
      return Object.assign(result, { json: () => guarded(() => json.call(result)) });
    },
    command: (asked: Parameters<typeof command>[0]) =>
      guarded((abort_signal) => command.call(client, { ...asked, abort_signal })),
    insert: (asked: Parameters<typeof insert>[0]) =>
      guarded((abort_signal) => insert.call(client, { ...asked, abort_signal })),
  });
}

/** Runs something on a server, beside the question whether that is there. */
function guard(ask: () => Promise<unknown>, wait: (signal: AbortSignal) => Promise<void>) {
  return async <T>(work: (abort: AbortSignal) => Promise<T>): Promise<T> => {
    const [abort, over] = [new AbortController(), new AbortController()];
    const gone = untilSilent(ask, wait, over.signal).then((silent): Promise<never> => {
      if (!silent) return new Promise(() => {}); // The work is over, and with it the race.
      abort.abort();
      throw Object.assign(new Error("the server does not answer"), { code: "ETIMEDOUT" });
    });
    try {
      return await Promise.race([work(abort.signal), gone]);
    } finally {
      over.abort();
    }
  };
}

/** @returns True once a question was not answered in time, false when nobody waits any more. */
async function untilSilent(
  ask: () => Promise<unknown>,
  wait: (signal: AbortSignal) => Promise<void>,
  over: AbortSignal,
): Promise<boolean> {
  for (;;) {
    await wait(over);
    if (over.aborted) return false;
    const there = ask().then(() => true, () => true); // A refusal is an answer too: the work itself fails of it.
    if (!await Promise.race([there, wait(over).then(() => over.aborted)])) return true;
  }
}
