/**
 * Spans and counters through Deno's own OpenTelemetry, when it is switched on (`OTEL_DENO=true`). When it is not, nothing is
 * loaded and nothing is done.
 *
 * @module
 */

import type { Span } from "@opentelemetry/api";

/** Attributes of a span or a count. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** What is reported about a run. */
export interface Telemetry {
  /** Runs work within a span; an error marks it as failed and goes on. */
  span<T>(name: string, attributes: Attributes, work: () => Promise<T>): Promise<T>;
  /** Begins a span that ends when the function it returns is called, with an error when it failed. */
  begin(name: string, attributes: Attributes): (attributes?: Attributes, error?: string) => void;
  /** Adds to a counter. */
  count(name: string, by: number, attributes: Attributes): void;
}

/** Reports nothing. */
const NO_TELEMETRY: Telemetry = {
  span: (_name, _attributes, work) => work(),
  begin: () => () => {},
  count: () => {},
};

/** Telemetry as the environment asks for it. */
export async function openTelemetry(
  env: Readonly<Record<string, string | undefined>>,
  version: string,
): Promise<Telemetry> {
  if (!["true", "1"].includes(env.OTEL_DENO ?? "")) return NO_TELEMETRY;
  const { metrics, SpanStatusCode, trace } = await import("@opentelemetry/api");
  const tracer = trace.getTracer("outpost", version);
  const meter = metrics.getMeter("outpost", version);
  return {
    span: (name, attributes, work) =>
      tracer.startActiveSpan(name, { attributes }, async (span: Span) => {
        try {
          return await work();
        } catch (error) {
          span.setStatus({
            code: SpanStatusCode.ERROR,
            message: error instanceof Error ? error.name : "error",
          });
          throw error;
        } finally {
          span.end();
        }
      }),
    begin(name, attributes) {
      const span = tracer.startSpan(name, { attributes });
      return (more = {}, error) => {
        span.setAttributes(more);
        if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error });
        span.end();
      };
    },
    count: (name, by, attributes) => meter.createCounter(name).add(by, attributes),
  };
}
