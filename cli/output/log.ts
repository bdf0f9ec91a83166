/**
 * Events for people and machines, one line each, on standard error.
 *
 * @module
 */

import type { TextSink } from "../host.ts";
import { harmless } from "../../engine/foreign_text.ts";
import { cleanValue, type Scrub } from "./scrub.ts";
import { printable } from "./printable.ts";
import type { Style } from "./style.ts";

/** How much an event matters. */
export type LogLevel = "debug" | "info" | "warn" | "error";

/** What an event carries beside its message; names in snake_case. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | readonly string[]>>;

const ORDER: readonly LogLevel[] = ["debug", "info", "warn", "error"];

/** How a logger writes. */
export interface LoggerOptions {
  readonly sink: TextSink;
  readonly format: "text" | "json";
  readonly level: LogLevel;
  readonly style: Style;
  /** Takes secrets out of a line. */
  readonly scrub: Scrub;
  readonly now: () => Date;
}

/** Writes events. */
export class Logger {
  readonly #options: LoggerOptions;
  /** Called before a line is written, so that a progress line can make room. */
  beforeLine: () => void = () => {};

  constructor(options: LoggerOptions) {
    this.#options = options;
  }

  /** `text` or `json`. */
  get format(): "text" | "json" {
    return this.#options.format;
  }

  /** Whether an event of this level would be written. */
  writes(level: LogLevel): boolean {
    return ORDER.indexOf(level) >= ORDER.indexOf(this.#options.level);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.#write("debug", message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.#write("info", message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.#write("warn", message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.#write("error", message, fields);
  }

  #write(level: LogLevel, message: string, fields: LogFields): void {
    if (!this.writes(level)) return;
    const { sink, format, style, scrub, now } = this.#options;
    this.beforeLine();
    const clean = (text: string) => harmless(scrub(text));
    if (format === "json") {
      const said = { message: clean(message), ...cleanValue(fields, clean) };
      sink.write(`${JSON.stringify({ time: now().toISOString(), level, ...said })}\n`);
      return;
    }
    const mark = {
      debug: style.dim("debug: "),
      info: "",
      warn: style.yellow("warning: "),
      error: style.red("error: "),
    };
    sink.write(`${printable(`${mark[level]}${clean(message)}`, style)}\n`);
  }
}
