/**
 * Shows how far a run is: one line that renews itself on a terminal, one plain line every few seconds elsewhere.
 *
 * @module
 */

import type { Progress as RunProgress } from "../../engine/migration.ts";
import { formatCount, formatCounted, formatDuration } from "./format.ts";
import type { TextSink } from "../host.ts";
import type { Logger } from "./log.ts";
import { displayWidth, PLAIN, type Style } from "./style.ts";
import { printable } from "./printable.ts";
import { cut } from "./table.ts";

const PLAIN_EVERY_MS = 5000;
const TERMINAL_EVERY_MS = 100;

/** What progress is shown with. */
export interface ProgressOptions {
  readonly sink: TextSink;
  readonly log: Logger;
  readonly style: Style;
  readonly columns: () => number;
  readonly now: () => Date;
  /** False with `--quiet`. */
  readonly shown: boolean;
  /** False with `--json`, where counts are written as events. */
  readonly counts?: boolean;
}

/** The progress line of one command. */
export class Progress {
  readonly #options: ProgressOptions;
  #line = "";
  #last = -Infinity;

  constructor(options: ProgressOptions) {
    this.#options = options;
    options.log.beforeLine = () => this.clear();
  }

  /** True when a person sees each event as it comes. */
  get live(): boolean {
    const { sink, log, shown } = this.#options;
    return shown && sink.terminal && log.format === "text" && log.writes("info");
  }

  /** Shows how far a migration is, unless the last line is too recent. */
  update(progress: RunProgress): void {
    const { log, style, columns } = this.#options;
    if (this.#options.counts === false) return;
    if (!this.#due(this.live ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return;
    if (this.live) {
      this.#draw(renderProgress(progress, { style, width: columns() - 1, bar: true }));
    } else {
      log.info(renderProgress(progress, { style: PLAIN, width: Infinity, bar: false }), {
        event: "progress",
        migration: progress.id,
        processed: progress.processed,
        failed: progress.failed,
        skipped: progress.skipped,
        total: progress.total,
        remaining_ms: progress.remainingMs,
      });
    }
  }

  /** Shows a sentence in place of the bar, for example whom it waits for. */
  say(sentence: string, fields: Readonly<Record<string, string | number | null>> = {}): void {
    const { log, columns } = this.#options;
    if (!this.#due(this.live ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return;
    if (this.live) this.#draw(cut(sentence, columns() - 1));
    else log.info(sentence, fields);
  }

  /** Says what takes its time, to a person who watches; nothing elsewhere. Gone with the next output. */
  busy(sentence: string): void {
    if (this.live) this.#draw(cut(sentence, this.#options.columns() - 1));
  }

  /** Removes the line from the terminal. */
  clear(): void {
    if (this.#line === "") return;
    this.#options.sink.write("\r\x1b[K");
    this.#line = "";
  }

  /** Another thing begins: on a terminal its first update is shown at once, elsewhere after the usual pause. */
  restart(): void {
    this.clear();
    this.#last = this.live ? -Infinity : this.#options.now().getTime();
  }

  #due(everyMs: number): boolean {
    const { now, shown, log } = this.#options;
    if (!shown || !log.writes("info")) return false;
    const time = now().getTime();
    if (time - this.#last < everyMs) return false;
    this.#last = time;
    return true;
  }

  #draw(line: string): void {
    this.#options.sink.write(`\r${printable(line, this.#options.style)}\x1b[K`);
    this.#line = line;
  }
}

/** How a progress line is laid out. */
export interface ProgressLayout {
  readonly style: Style;
  /** Columns to stay within. */
  readonly width: number;
  readonly bar: boolean;
}

/** One line: ID, bar, counts, rate and remaining time, as far as they are known and the width allows. */
export function renderProgress(progress: RunProgress, layout: ProgressLayout): string {
  const { id, processed, failed, skipped, total, ratePerSecond, remainingMs } = progress;
  const { style, width } = layout;
  const done = processed + failed + skipped;
  const known = total !== null && total > 0;
  // What is to come is an estimate: a run that goes on is never shown as complete.
  const share = known ? Math.min(0.99, done / total) : 0;
  const counts = known
    ? `${formatCount(done)} of about ${formatCount(Math.max(done, total))} records`
    : formatCounted(done, "record");
  const percent = known ? `${Math.floor(share * 100)}%`.padStart(layout.bar ? 4 : 0) : "";
  const parts = {
    id,
    bar: known && layout.bar ? `${bar(share, style)}${percent}` : percent,
    counts,
    rate: ratePerSecond > 0 ? `${formatCount(ratePerSecond)}/s` : "",
    left: remainingMs === null || !known ? "" : `${formatDuration(remainingMs)} left`,
    failed: failed > 0 ? style.red(`${formatCount(failed)} failed`) : "",
  };
  const line = () => Object.values(parts).filter((part) => part !== "").join("  ");
  // What matters least goes first when the screen is narrow.
  for (const drop of ["left", "rate", "bar"] as const) {
    if (displayWidth(line()) > width) parts[drop] = "";
  }
  return displayWidth(line()) <= width ? line() : cut(`${id}  ${counts}`, width);
}

function bar(share: number, style: Style): string {
  const filled = Math.round(share * 24);
  return `[${style.green("=".repeat(filled))}${" ".repeat(24 - filled)}]`;
}
