/**
 * Tells of a run while it goes on.
 *
 * @module
 */

import type { ApplyEvent } from "../../engine/apply.ts";
import type { MigrationResult } from "../../engine/migration.ts";
import type { Context } from "../context.ts";
import { formatCounted } from "../output/format.ts";
import { tellRetry } from "./lock_options.ts";
import { applyEventJson } from "../output/json.ts";
import { statementText } from "../render/activity.ts";
import { resultSentence } from "../render/apply.ts";
import { placesText, placeText } from "../render/place.ts";

const PROGRESS_EVERY_MS = 250;

/** Tells of each event as it comes: a JSON line, a line on standard error, a span. */
export class ApplyReport {
  readonly #context: Context;
  readonly results: MigrationResult[] = [];
  #startedAt = 0;
  #progressAt = -Infinity;
  #endSpan: (attributes?: Record<string, string | number>, error?: string) => void = () => {};

  constructor(context: Context) {
    this.#context = context;
  }

  take(event: ApplyEvent): void {
    const { output, log, progress, host, telemetry } = this.#context;
    if (event.event === "begin") {
      const where = placesText(event.stores, this.#context.settings.deploymentId);
      log.info(`Applying ${formatCounted(event.ids.length, "migration")} to ${where}`, {
        event: "begin",
        migrations: event.ids,
        stores: event.stores.map(placeText),
      });
    }
    if (event.event === "start") {
      this.#startedAt = host.now().getTime();
      this.#endSpan = telemetry.begin("outpost.migration", { "outpost.migration.id": event.id });
      progress.restart();
      log.debug(`starting ${event.id}`, { event: "start", migration: event.id });
    }
    if (event.event === "progress") progress.update(event.progress);
    if (event.event === "statement") {
      progress.say(statementText(event.id, event), {
        event: "progress",
        migration: event.id,
        statement: event.statement,
        statements: event.statements,
        statement_ms: Math.round(event.forMs),
      });
    }
    if (event.event === "retry") tellRetry(log, event);
    if (event.event === "done" || event.event === "failed") this.#finish(event.result);
    if (output.json && !this.#tooSoon(event)) {
      const line = applyEventJson(event, host.now().getTime() - this.#startedAt);
      if (line !== null) output.object(line);
    }
  }

  /** Progress comes with every batch; a program that reads along needs no more than a few lines a second. */
  #tooSoon({ event }: ApplyEvent): boolean {
    const now = this.#context.host.now().getTime();
    const often = event === "progress" || event === "statement";
    if (often && now - this.#progressAt < PROGRESS_EVERY_MS) return true;
    this.#progressAt = often ? now : -Infinity;
    return false;
  }

  /** Ends what is still open after an error. */
  stop(): void {
    this.#context.progress.clear();
    this.#endSpan({}, "stopped");
  }

  #finish(result: MigrationResult): void {
    const { log, progress, telemetry, scrub } = this.#context;
    this.results.push(result);
    progress.restart();
    const { id, outcome, processed, failed, skipped, durationMs } = result;
    const fields = {
      event: outcome,
      migration: id,
      processed,
      failed,
      skipped,
      duration_ms: Math.round(durationMs),
    };
    if (outcome === "applied") log.info(resultSentence(result), fields);
    else log.error(resultSentence(result), { ...fields, issues: result.issues.map(scrub) });
    telemetry.count("outpost.migration.records", processed, { "outpost.migration.id": id });
    telemetry.count("outpost.migration.failures", failed, { "outpost.migration.id": id });
    this.#endSpan({ "outpost.migration.records": processed }, outcome === "applied" ? undefined : outcome);
    this.#endSpan = () => {};
  }
}
