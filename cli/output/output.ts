/**
 * Where results go: text for people or JSON for programs, on standard output.
 *
 * @module
 */

import { harmlessLines } from "../../engine/foreign_text.ts";
import { printable } from "./printable.ts";
import type { TextSink } from "../host.ts";
import { cleanValue, type Scrub } from "./scrub.ts";
import type { Style } from "./style.ts";

/** How text is to be laid out. Render functions get this and return text. */
export interface Layout {
  readonly style: Style;
  /** Columns to stay within. */
  readonly width: number;
  readonly now: Date;
  /** More detail, from `--verbose`. */
  readonly verbose: boolean;
  /** Flags that commands which come next need too, each with a space before it. */
  readonly carried?: string;
  /** No store is configured on the side that a flag left out. @default {false} */
  readonly oneSided?: boolean;
}

/** What an output writes with. */
export interface OutputOptions {
  readonly sink: TextSink;
  readonly json: boolean;
  readonly layout: () => Layout;
  readonly scrub: Scrub;
  /** Called before anything is written, so that a progress line can make room. */
  readonly beforeText: () => void;
}

/** Writes results. */
export class Output {
  readonly #options: OutputOptions;

  constructor(options: OutputOptions) {
    this.#options = options;
  }

  /** True with `--json`. */
  get json(): boolean {
    return this.#options.json;
  }

  /** How text is to be laid out now. */
  get layout(): Layout {
    return this.#options.layout();
  }

  /** Writes one result in the form that was asked for. */
  result(json: unknown, text: (layout: Layout) => string): void {
    if (this.json) this.object(json);
    else this.text(text(this.layout));
  }

  /** Writes text for people; nothing with `--json`. */
  text(text: string): void {
    if (this.json || text === "") return;
    this.#options.beforeText();
    const shown = printable(this.#options.scrub(text), this.layout.style);
    this.#options.sink.write(shown.endsWith("\n") ? shown : `${shown}\n`);
  }

  /** Writes one JSON object on a line of its own. */
  object(value: unknown): void {
    this.#options.beforeText();
    const clean = (text: string) => harmlessLines(this.#options.scrub(text));
    this.#options.sink.write(`${JSON.stringify(cleanValue(value, clean))}\n`);
  }
}

/** The line that every output ends with: what to run next, on the same stores. */
export function nextCommand(
  { style, carried = "" }: Pick<Layout, "style" | "carried">,
  command: string,
  why = "",
): string {
  return `${style.dim("Next:")} ${style.bold(command + carried)}${why === "" ? "" : `  ${style.dim(why)}`}`;
}

/** Where older tools recorded what nobody has looked at. */
export function nextToAdopt(layout: Pick<Layout, "style" | "carried">): string {
  return nextCommand(layout, "outpost migrate init", "see whether what older tools recorded is so");
}

/**
 * What comes when nothing is left to do: what is pending beside it, what older tools recorded and nobody has looked at, then the side that a flag left out, where there is one, and only
 * then the server.
 * A side that `MIGRATE_ONLY` leaves out is left out of the server's gate too.
 */
export function nextWhenDone(
  { style, carried = "", oneSided = false }: Pick<Layout, "style" | "carried" | "oneSided">,
  { pending, adoptable = false }: { readonly pending: boolean; readonly adoptable?: boolean | undefined },
): string {
  if (pending) return nextCommand({ style, carried }, "outpost migrate plan", "other migrations are pending");
  if (adoptable) return nextToAdopt({ style, carried });
  const whole = oneSided ? carried : carried.replace(/ --(?:sql|redis)-only/, "");
  return whole === carried
    ? nextCommand({ style, carried }, "outpost serve", "start the server")
    : nextCommand({ style, carried: whole }, "outpost migrate status", "with the side that was left out");
}
