/**
 * What others than the user see of a run: the collector of its spans and counts, and the Redis that its lock lies in.
 *
 * @module
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { metrics, trace } from "@opentelemetry/api";
import { type FakeServer, startFakeServer } from "../support/fake_server.ts";

/** Receives spans and counters of this process, each for the run that they belong to. */
export class Collector implements Disposable {
  readonly #received = new AsyncLocalStorage<unknown[]>();

  constructor() {
    const take = (...said: readonly unknown[]) => void this.#received.getStore()?.push(said);
    const span = {
      setStatus: take,
      setAttributes: take,
      end: take,
    };
    const startSpan = (...said: readonly unknown[]) => (take(...said), span);
    const tracer = {
      startSpan,
      startActiveSpan: (name: string, options: unknown, work: (span: unknown) => unknown) =>
        work(startSpan(name, options)),
    };
    const meter = {
      createCounter: (name: string) => ({ add: (...said: readonly unknown[]) => take(name, ...said) }),
    };
    trace.setGlobalTracerProvider({ getTracer: () => tracer } as never);
    metrics.setGlobalMeterProvider({ getMeter: () => meter } as never);
  }

  /** Runs something. @returns What came of it, and what was received meanwhile. */
  async during<T>(work: () => Promise<T>): Promise<{ readonly result: T; readonly received: string }> {
    const received: unknown[] = [];
    const result = await this.#received.run(received, work);
    return { result, received: received.map((said) => JSON.stringify(said)).join("\n") };
  }

  [Symbol.dispose](): void {
    trace.disable();
    metrics.disable();
  }
}

/** Leads to a true Redis, and remembers what it was told. @param target Its port. */
export function listeningRedis(target: number): FakeServer {
  return startFakeServer(async (connection) => {
    const server = await Deno.connect({ hostname: "127.0.0.1", port: target });
    const answers = (async () => {
      for await (const chunk of server.readable) if (!await connection.write(chunk)) break;
    })().catch(() => {});
    const asks = (async () => {
      const writer = server.writable.getWriter();
      for (let chunk = await connection.read(); chunk !== null; chunk = await connection.read()) {
        await writer.write(chunk);
      }
      await writer.close();
    })().catch(() => {});
    await Promise.race([answers, asks]);
    connection.close();
    await Promise.all([asks, answers]);
  });
}

/** What a Redis heard but for the password that it was logged in with. */
export function withoutLogin(heard: string): string {
  return heard.replaceAll(/\$4\r\nauth\r\n\$\d+\r\n[^\r]*\r\n\$\d+\r\n[^\r]*\r\n/gi, "");
}
