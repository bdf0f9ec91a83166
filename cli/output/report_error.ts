/**
 * Turns any error into text, JSON and an exit status, credentials removed.
 *
 * @module
 */

import {
  ApplyError,
  InterruptedError,
  MigrationError,
  PlanStaleError,
  StoreDeniedError,
  StoresFailedError,
  StoreUnreachableError,
} from "../../engine/errors.ts";
import { StepFailedError } from "../../engine/sql/step_failed_error.ts";
import { harmless } from "../../engine/foreign_text.ts";
import type { StoreName } from "../../engine/migration.ts";
import { toldError } from "../../engine/told_error.ts";
import { quotesRows } from "../../engine/postgres/server_message.ts";
import { docsOf, ERROR_CODES, EXIT } from "./error_catalogue.ts";
import { InvalidRecordsError, SettingsError } from "../errors.ts";
import type { StopSignal } from "../host.ts";
import type { ErrorJson } from "./json.ts";
import type { Scrub } from "./scrub.ts";
import type { Style } from "./style.ts";
import { wrap } from "./table.ts";
import { asTyped } from "./typed_command.ts";

/** An error as it is told. */
export interface ErrorReport {
  readonly code: string;
  readonly message: string;
  /** The message without what the details repeat, for people. */
  readonly headline: string;
  readonly hint: string | null;
  /** Lines that say where and what, for people. */
  readonly details: readonly string[];
  readonly exitStatus: number;
}

/** What is known beside the error. */
export interface ReportOptions {
  readonly scrub: Scrub;
  /** Which signal stopped the command, or null. */
  readonly stoppedBy: StopSignal | null;
  /** Where a store was looked for and who said so, without secrets: `redis:6379, by default`; null when unknown. */
  /** Flags that commands which come next need too, each with a space before it. */
  readonly carried?: string;
  readonly whereIs?: (store: StoreName) => string | null;
}

const REPORT_BUG = "This is a fault of outpost: please report it, with the command and this message";

/** Describes an error. */
export function describeError(error: unknown, options: ReportOptions): ErrorReport {
  const { stoppedBy } = options;
  // Secrets first: a part of one that is left by a cut would no longer be known.
  const clean = (text: string) => harmless(options.scrub(text));
  const cause = unwrap(error);
  if (!(cause instanceof MigrationError)) {
    const message = clean(`Unexpected failure: ${kindOf(cause)}${toldError(cause)}`);
    const exitStatus = stoppedBy === null ? EXIT.failed : EXIT[stoppedBy];
    return { code: "internal", message, headline: message, hint: REPORT_BUG, details: [], exitStatus };
  }
  const details = detailsOf(cause);
  const listed = details[0]?.startsWith("- ") ?? false;
  return {
    code: cause.code,
    message: clean(cause.message),
    headline: clean(headlineOf(cause, listed)),
    hint: hintOf(cause, error, options, clean),
    details: details.map(clean),
    exitStatus: exitStatusOf(cause, stoppedBy),
  };
}

function headlineOf(error: MigrationError, listed: boolean): string {
  if (error instanceof StoresFailedError) return `${error.failures.length} stores cannot be read`;
  return listed ? error.message.split(": ")[0]! : error.message;
}

/** The JSON form: `{"error": {"code", "message", "hint", "docs"}}`. */
export function errorJson({ code, message, hint }: ErrorReport): ErrorJson {
  return { error: { code, message, hint, docs: docsOf(code) } };
}

/** The text form: what failed, where, and what to do next. */
export function renderError(report: ErrorReport, { style, width }: { style: Style; width: number }): string {
  const { code, headline, hint, details } = report;
  const lines = [
    wrap(`${style.red("error:")} ${headline} ${style.dim(`[${code}]`)}`, width, "  "),
    ...details.map((line) => `  ${line.startsWith("- ") ? wrap(line, width - 2, "    ") : line}`),
  ];
  if (hint !== null) lines.push(wrap(`${style.cyan("hint:")}  ${hint}`, width, "       "));
  lines.push(style.dim(`docs:  ${docsOf(code)}`));
  return lines.join("\n");
}

/** A failed apply is told by what made it fail, where that says more. */
function unwrap(error: unknown): unknown {
  return error instanceof ApplyError && error.cause instanceof MigrationError ? error.cause : error;
}

function exitStatusOf(error: MigrationError, stoppedBy: StopSignal | null): number {
  if (error instanceof InterruptedError) return EXIT[stoppedBy ?? "SIGINT"];
  return ERROR_CODES[error.code] ?? EXIT.failed;
}

function hintOf(
  cause: MigrationError,
  error: unknown,
  options: ReportOptions,
  clean: (text: string) => string,
): string | null {
  if (cause instanceof StoresFailedError) {
    return cause.failures.flatMap((failure) => hintOf(failure, failure, options, clean) ?? []).join(". ");
  }
  const typed = asTyped(options.carried);
  const hint = cause.hintWith(typed) ??
    (error instanceof MigrationError ? error.hintWith(typed) : undefined);
  const store = cause instanceof StoreUnreachableError || cause instanceof StoreDeniedError
    ? cause.store
    : null;
  const where = store === null ? null : options.whereIs?.(store) ?? null;
  const parts = [
    ...(hint === undefined ? [] : [hint]),
    ...(where === null ? [] : [`It was looked for at ${where}`]),
  ];
  return parts.length === 0 ? null : clean(parts.join(". "));
}

function detailsOf(error: MigrationError): readonly string[] {
  if (error instanceof StepFailedError) return stepDetails(error);
  if (error instanceof StoresFailedError) return error.failures.map(({ message }) => `- ${message}`);
  if (error instanceof InvalidRecordsError) return error.records.map((record) => `- ${record}`);
  if (error instanceof PlanStaleError && error.changes.length > 1) {
    return error.changes.map((change) => `- ${change}`);
  }
  if (error instanceof SettingsError && error.problems.length > 1) {
    return error.problems.map((problem) => `- ${problem}`);
  }
  return [];
}

function stepDetails({ failure }: StepFailedError): readonly string[] {
  const { id, position, serverCode, detail, serverHint } = failure;
  return [
    position === null ? `in ${id}` : `in ${id}, line ${position.line}, column ${position.column}:`,
    ...(position?.excerpt.split("\n").map((line) => `  ${line}`) ?? []),
    ...(serverCode === null ? [] : [`server code: ${serverCode}`]),
    ...(detail === null || quotesRows(serverCode ?? "") ? [] : [`detail: ${detail}`]),
    ...(serverHint === null ? [] : [`server's hint: ${serverHint}`]),
  ];
}

/** `TypeError: ` for an error, nothing for what else may be thrown. */
function kindOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ` : "";
}
