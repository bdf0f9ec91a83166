/**
 * Shows how far a run is: one line that renews itself on a terminal, one plain line every few seconds elsewhere.
 *
 * @module
 */

import type { Progress as RunProgress } from "../engine/migration.ts";
import { formatCount, formatDuration } from "./format.ts";
import type { TextSink } from "./host.ts";
import type { Logger } from "./log.ts";
import { displayWidth, PLAIN, type Style } from "./style.ts";
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
  /** False with `--quiet` and `--json`. */
  readonly shown: boolean;
}

/** The progress line of one command. */
export class Progress {
  readonly #options: ProgressOptions;
  #line = "";
  #last = 0;

  constructor(options: ProgressOptions) {
    this.#options = options;
    options.log.beforeLine = () => this.clear();
  }

  /** Shows how far a migration is, unless the last line is too recent. */
  update(progress: RunProgress): void {
    const { log, sink, style, columns } = this.#options;
    if (!this.#due(sink.terminal && log.format === "text" ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return;
    if (sink.terminal && log.format === "text") {
      this.#draw(renderProgress(progress, { style, width: columns() - 1 }));
    } else {
      log.info(renderProgress(progress, { style: PLAIN, width: Infinity }), {
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
    const { log, sink, columns } = this.#options;
    if (!this.#due(sink.terminal && log.format === "text" ? TERMINAL_EVERY_MS : PLAIN_EVERY_MS)) return;
    if (sink.terminal && log.format === "text") this.#draw(cut(sentence, columns() - 1));
    else log.info(sentence, fields);
  }

  /** Removes the line from the terminal. */
  clear(): void {
    if (this.#line === "") return;
    this.#options.sink.write("\r\x1b[K");
    this.#line = "";
  }

  /** Lets the next update be shown at once: another thing begins. */
  restart(): void {
    this.clear();
    this.#last = 0;
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
    this.#options.sink.write(`\r${line}\x1b[K`);
    this.#line = line;
  }
}

/** One line: ID, bar, counts, rate and remaining time, as far as they are known and the width allows. */
export function renderProgress(
  { id, processed, failed, skipped, total, ratePerSecond, remainingMs }: RunProgress,
  { style, width }: { readonly style: Style; readonly width: number },
): string {
  const done = processed + failed + skipped;
  const share = total === null || total === 0 ? null : Math.min(1, done / total);
  const counts = total === null
    ? `${formatCount(done)} records`
    : `${formatCount(Math.min(done, total))} of ${formatCount(total)} records`;
  const parts = [
    id,
    ...(share === null ? [] : [`${bar(share, style)} ${String(Math.floor(share * 100)).padStart(3)}%`]),
    counts,
    ...(ratePerSecond > 0 ? [`${formatCount(ratePerSecond)}/s`] : []),
    ...(remainingMs === null ? [] : [`${formatDuration(remainingMs)} left`]),
    ...(failed > 0 ? [style.red(`${formatCount(failed)} failed`)] : []),
  ];
  // What matters least goes first when the screen is narrow: the time left, the rate, the bar.
  for (const drop of [4, 3, 1]) {
    if (displayWidth(parts.join("  ")) <= width) break;
    parts.splice(Math.min(drop, parts.length - 1), 1);
  }
  const line = parts.join("  ");
  return displayWidth(line) <= width ? line : cut(`${id}  ${counts}`, width);
}

function bar(share: number, style: Style): string {
  const filled = Math.round(share * 24);
  return `[${style.green("=".repeat(filled))}${" ".repeat(24 - filled)}]`;
}
