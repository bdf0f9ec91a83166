/**
 * Spans and counters through Deno's own OpenTelemetry, seen by a collector of this test's own.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { runCli } from "../../support/cli.ts";
import { seedLegacyTenant } from "../../support/outpost_data.ts";
import { startRedis } from "../../support/redis.ts";

interface Received {
  readonly spans: Map<string, Record<string, unknown>>;
  readonly counters: Set<string>;
}

/** A collector that understands OTLP over HTTP in JSON. */
function startCollector(): { readonly url: string; readonly received: Received } & AsyncDisposable {
  const received: Received = { spans: new Map(), counters: new Set() };
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const body = await request.json();
    for (const resource of body.resourceSpans ?? []) {
      for (const scope of resource.scopeSpans) {
        for (const span of scope.spans) received.spans.set(span.name, span);
      }
    }
    for (const resource of body.resourceMetrics ?? []) {
      for (const scope of resource.scopeMetrics) {
        for (const metric of scope.metrics) received.counters.add(metric.name);
      }
    }
    return Response.json({});
  });
  return {
    url: `http://127.0.0.1:${server.addr.port}`,
    received,
    [Symbol.asyncDispose]: () => server.shutdown(),
  };
}

Deno.test("the program ends although the runtime is asking for metrics at that moment", async () => {
  await using redis = await startRedis();
  const asked = { OTEL_DENO: "true", OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(redis.port), MIGRATE_ONLY: "redis" };
  const often = { ...asked, OTEL_METRIC_EXPORT_INTERVAL: "1" };
  for (let n = 0; n < 3; n++) {
    assertEquals((await runCli(["--version"], { env: often })).code, 0);
    assertEquals((await runCli(["migrate", "status"], { env: { ...env, ...often } })).code, 2);
  }
  const { code, stderr } = await runCli(["migrate", "status"], {
    env: { ...env, ...asked, OTEL_METRIC_EXPORT_INTERVAL: "1000" },
  });
  assertEquals(code, 0, stderr);
});

Deno.test("apply reports a span for the command and for each migration, and counts records", async () => {
  await using redis = await startRedis();
  await using collector = startCollector();
  await seedLegacyTenant(redis.client(), "acme");
  const env = {
    REDIS_HOST: "127.0.0.1",
    REDIS_PORT: String(redis.port),
    MIGRATE_ONLY: "redis",
    OTEL_DENO: "true",
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  };
  const { code, stderr } = await runCli(["migrate", "apply", "--yes"], { env });
  assertEquals(code, 0, stderr);
  const names = [...collector.received.spans.keys()];
  assert(names.includes("outpost migrate apply") && names.includes("outpost.migration"), names.join());
  assert(
    collector.received.counters.has("outpost.migration.records"),
    [...collector.received.counters].join(),
  );
  const failed = await runCli(["migrate", "list"], { env: { ...env, REDIS_PORT: "1" } });
  assertEquals(failed.code, 4);
  const span = collector.received.spans.get("outpost migrate list") as { status?: { code?: number } };
  assertEquals(span.status?.code, 2, "the span of a command that failed says so");
});
