/**
 * The command line: from arguments to an exit status.
 *
 * @module
 */

import { COMMANDS } from "./commands.ts";
import { type Context, makeContext, type OutputFlags } from "./context.ts";
import { docsOf, EXIT } from "./output/error_catalogue.ts";
import { Logger } from "./output/log.ts";
import { FileError, UsageError } from "./errors.ts";
import type { Host } from "./host.ts";
import { printable } from "./output/printable.ts";
import { carriedFlags } from "./line/carried_flags.ts";
import { type ParsedLine, parseLine } from "./line/program.ts";
import { describeError, errorJson, type ErrorReport, renderError } from "./output/report_error.ts";
import type { Scrub } from "./output/scrub.ts";
import { makeScrub, secretsOfClients } from "./settings/secrets.ts";
import { SETTINGS, type Settings } from "./settings/table.ts";
import { checkSettings, redirectedSecrets, resolveSettings } from "./settings/resolve.ts";
import { readSecretFiles } from "./settings/secret_files.ts";
import { readSettingsFile } from "./settings/file.ts";
import { storePlace } from "./stores/place.ts";
import { makeStyle, wantsColours } from "./output/style.ts";
import { openTelemetry } from "./output/telemetry.ts";
import { systemReason } from "./system_reason.ts";
import { type GivenUp, untilStopped } from "../engine/until_stopped.ts";
import { VERSION } from "./version.ts";

/**
 * Runs one command.
 *
 * @returns The exit status. Never throws: every failure has been reported.
 */
export async function run(host: Host): Promise<number> {
  const state: Reporting = { scrub: makeScrub({}), context: null };
  let faults = 0;
  host.onFault((error) => {
    faults++;
    state.context?.progress.clear();
    const described = describeError(error, { scrub: state.scrub, stoppedBy: null });
    writeError(host, state, described);
  });
  host.onPrinted((text) => state.context?.log.debug(text, { event: "client_printed" }));
  try {
    const status = await dispatch(host, state);
    const ended = status === EXIT.done && faults > 0 ? EXIT.failed : status;
    return reportLostOutput(host, state, ended);
  } catch (error) {
    return reportLostOutput(host, state, report(host, error, state));
  }
}

/**
 * Who asked for a file must not take half of it for the answer. What was done stays done.
 *
 * @returns The exit status: what went wrong before is more than that nobody could read of it.
 */
function reportLostOutput(host: Host, state: Reporting, status: number): number {
  const failure = host.stdout.failure?.();
  if (failure === undefined) return status;
  const error = new FileError(`Cannot write to standard output: ${systemReason(failure)}`, {
    cause: failure,
  });
  const described = describeError(error, { scrub: state.scrub, stoppedBy: null });
  writeError(host, state, described);
  return status === EXIT.done ? described.exitStatus : status;
}

/** What is known for reporting an error, as far as the command line was understood. */
interface Reporting {
  scrub: Scrub;
  context: Context | null;
  /** What was found of the settings, before it was known whether all can be used. */
  settings?: Partial<Settings>;
}

async function dispatch(host: Host, state: Reporting): Promise<number> {
  const line = parseLine(host.args, COMMANDS, VERSION, helpOptions(host));
  if (line.kind === "version") {
    host.stdout.write(`${wantsJson(host, undefined) ? JSON.stringify({ version: VERSION }) : VERSION}\n`);
    return EXIT.done;
  }
  if (line.kind === "help") {
    host.stdout.write(line.text);
    return EXIT.done;
  }
  const work = line.command.prepare(line.input);
  // A named pipe may be given as a file, and nobody write to it.
  const context = await untilStopped(host.signal, prepareContext(host, line, state), NOT_BEGUN);
  state.context = context;
  return await context.telemetry.span(
    `outpost ${line.command.path}`,
    {},
    () =>
      untilStopped(host.signal, work(context), {
        message: "Stopped without waiting any longer for what does not answer",
        hint: "Run the same command again: it continues where this one stopped",
        afterMs: STOP_MS,
      }),
  );
}

const NOT_BEGUN: GivenUp = {
  message: "Stopped on request; nothing was changed",
  hint: "Run the same command again",
  afterMs: 0,
};

/**
 * How long a command may take to come to an end once it was told to stop: less than an orchestrator waits before it kills. The
 * batch in hand takes a moment; only a server that does not answer takes longer, and leaving it is no worse than being killed.
 */
const STOP_MS = 25_000;

async function prepareContext(
  host: Host,
  line: ParsedLine & { kind: "command" },
  state: Reporting,
): Promise<Context> {
  const { command, output: flags } = line;
  const named = line.config ?? (host.env.CONFIG === "" ? undefined : host.env.CONFIG);
  const file = command.needs === "none" ? null : await readSettingsFile(named);
  const env = command.needs === "none" ? {} : host.env;
  const resolved = resolveSettings({
    flags: line.settings,
    env,
    file,
    secretFiles: readSecretFiles(env),
  });
  const tentative = Object.fromEntries(resolved.map(({ key, value }) => [key, value])) as unknown as Settings;
  state.settings = tentative;
  state.scrub = makeScrub(tentative, secretsOfClients(host.env));
  const settings = command.reportsProblems === true ? tentative : checkSettings(resolved);
  const telemetry = await openTelemetry(host.env, VERSION);
  const carried = carriedFlags(resolved, line.config, line.settings);
  const context = makeContext({ host, flags, settings, resolved, file, telemetry, carried });
  for (const sentence of redirectedSecrets(resolved, file, passwordVariables(env))) {
    context.log.warn(sentence, { event: "secret_redirected" });
  }
  return context;
}

/** Variables that hold a password for Postgres outside of its URL. */
function passwordVariables(env: Host["env"]): readonly string[] {
  return ["PGPASSWORD", "POSTGRES_PASSWORD_FILE"].filter((name) => (env[name] ?? "") !== "");
}

function report(host: Host, error: unknown, reporting: Reporting): number {
  const { scrub, context } = reporting;
  context?.progress.clear();
  const described = describeError(error, {
    scrub,
    stoppedBy: host.stoppedBy(),
    carried: context?.carried ?? "",
    whereIs: (store) => (context === null ? null : storePlace(store, context.resolved)),
  });
  if (wantsJson(host, context?.flags)) {
    host.stdout.write(`${JSON.stringify(errorJson(described))}\n`);
  } else {
    writeError(host, reporting, described);
    if (error instanceof UsageError && host.args.length === 0) host.stderr.write(`\n${helpOf(host)}`);
  }
  return described.exitStatus;
}

/** On standard error, as text or as an event. */
function writeError(host: Host, { context, settings, scrub }: Reporting, described: ErrorReport): void {
  const log = context?.log ?? (wantsJsonLog(host, settings) ? jsonLog(host, scrub) : null);
  if (log?.format === "json") {
    const { code, message, hint, details } = described;
    return log.error(message, { code, hint, details, docs: docsOf(code) });
  }
  const colours = wantsColours(context?.flags.colours, host.env, host.stderr.terminal);
  const width = host.stderr.terminal ? host.columns() ?? 100 : Infinity;
  const style = makeStyle({ colours });
  host.stderr.write(`${printable(renderError(described, { style, width }), style)}\n`);
}

/** A line that could not be parsed may still have asked for JSON. */
function wantsJson(host: Host, flags: OutputFlags | undefined): boolean {
  return flags === undefined ? ownWords(host).includes("--json") : flags.json;
}

/** Settings of which another cannot be used, or a line that could not be parsed, may still ask for events. */
function wantsJsonLog(host: Host, settings: Partial<Settings> | undefined): boolean {
  if (settings !== undefined) return settings.logFormat === "json";
  const { flag, env } = SETTINGS.logFormat;
  const words = ownWords(host).join(" ");
  const said = new RegExp(`(?:^| )--${flag}[ =](\\S+)`).exec(words)?.[1] ?? host.env[env];
  return said === "json";
}

function jsonLog(host: Host, scrub: Scrub): Logger {
  return new Logger({
    sink: host.stderr,
    format: "json",
    level: "error",
    style: makeStyle({ colours: false }),
    scrub,
    now: () => host.now(),
  });
}

/** The words that are not of the command after `--`. */
function ownWords({ args }: Host): readonly string[] {
  const end = args.indexOf("--");
  return args.slice(0, end < 0 ? undefined : end);
}

function helpOf(host: Host): string {
  const line = parseLine(["--help"], COMMANDS, VERSION, helpOptions(host));
  return line.kind === "help" ? line.text : "";
}

function helpOptions(host: Host) {
  const colours = wantsColours(
    host.args.includes("--no-color") ? false : undefined,
    host.env,
    host.stdout.terminal,
  );
  return { width: Math.min(host.columns() ?? 100, 110), style: makeStyle({ colours }) };
}
