/**
 * What a command receives.
 *
 * @module
 */

import { harmlessLines } from "../engine/foreign_text.ts";
import { confirm, type Question } from "./output/confirm.ts";
import type { Host } from "./host.ts";
import { Logger } from "./output/log.ts";
import type { OpenEngine, OpenFleet, StoreNeeds } from "./stores/open_engine.ts";
import { Output } from "./output/output.ts";
import { Progress } from "./output/progress.ts";
import { cleanValue, type Scrub } from "./output/scrub.ts";
import { makeScrub, secretsOfClients } from "./settings/secrets.ts";
import type { Settings } from "./settings/table.ts";
import { configuredStores } from "./stores/configured.ts";
import type { ResolvedSetting } from "./settings/resolve.ts";
import type { SettingsFile } from "./settings/file.ts";
import { makeStyle, wantsColours } from "./output/style.ts";
import type { Telemetry } from "./output/telemetry.ts";
import { untilStopped } from "../engine/until_stopped.ts";

/** The flags that every command has. */
export interface OutputFlags {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly quiet: boolean;
  /** From `--color` and `--no-color`; undefined when neither was given. */
  readonly colours: boolean | undefined;
  /** `--log-level` was given, which counts before `--verbose` and `--quiet`. */
  readonly levelGiven: boolean;
}

/** What a context is made of. */
export interface ContextParts {
  readonly host: Host;
  readonly flags: OutputFlags;
  readonly settings: Settings;
  readonly resolved: readonly ResolvedSetting[];
  readonly file: SettingsFile | null;
  readonly telemetry: Telemetry;
  /** Flags that commands which come next need too, each with a space before it. */
  readonly carried: string;
}

/** What a command works with: settings, streams, clock, questions, and the engine when it asks for it. */
export interface Context extends ContextParts {
  readonly output: Output;
  readonly log: Logger;
  readonly progress: Progress;
  readonly scrub: Scrub;
  /** Makes every text of a result fit to be shown: no secret, no control character. */
  clean<T>(result: T): T;
  /** Fires when the user wants to stop. */
  readonly signal: AbortSignal;
  /** Asks. @throws {NeedsConfirmationError} When there is nobody to answer. */
  confirm(question: Question): Promise<boolean>;
  /**
   * Opens the stores and the engine over them. Clients connect when first used, and are closed by disposing.
   *
   * @param waitMs How long to wait for stores that do not answer, in milliseconds. @default {settings.connectWaitMs}
   */
  openEngine(needs?: Partial<StoreNeeds>, waitMs?: number): Promise<OpenEngine>;
  /** The same for several deployments. All that Redis holds are looked for at once, where they are not named. */
  openFleet(): Promise<OpenFleet>;
  /**
   * Waits for work that only reads, and stops waiting when the user wants to stop.
   *
   * @throws {InterruptedError} Then.
   */
  reading<T>(work: Promise<T>): Promise<T>;
}

const DEFAULT_WIDTH = 100;
/** Of those that are left out. */
const NAMED_DEPLOYMENTS = 10;

/** Makes a context. */
export function makeContext(parts: ContextParts): Context {
  const { host, flags, settings } = parts;
  const style = (terminal: boolean) =>
    makeStyle({ colours: wantsColours(flags.colours, host.env, terminal) });
  const scrub = makeScrub(settings, secretsOfClients(host.env));
  const log = new Logger({
    sink: host.stderr,
    format: settings.logFormat,
    level: flags.levelGiven
      ? settings.logLevel
      : flags.verbose
      ? "debug"
      : flags.quiet
      ? "error"
      : settings.logLevel,
    style: style(host.stderr.terminal),
    scrub,
    now: () => host.now(),
  });
  const width = () => host.columns() ?? DEFAULT_WIDTH;
  const output = new Output({
    sink: host.stdout,
    json: flags.json,
    layout: () => ({
      style: style(host.stdout.terminal),
      width: host.stdout.terminal ? width() : DEFAULT_WIDTH,
      now: host.now(),
      verbose: flags.verbose,
      carried: parts.carried,
      // Redis is always configured.
      oneSided: settings.only === "redis" && configuredStores(settings).length === 0,
    }),
    scrub,
    beforeText: () => progress.clear(),
  });
  const progress = new Progress({
    sink: host.stderr,
    log,
    style: style(host.stderr.terminal),
    columns: width,
    now: () => host.now(),
    shown: !flags.quiet,
    counts: !flags.json,
  });
  const reading = <T>(work: Promise<T>) =>
    untilStopped(host.signal, work, {
      message: "Stopped on request; nothing was changed",
      hint: "Run the same command again",
      afterMs: 0,
    });
  return {
    ...parts,
    output,
    log,
    progress,
    scrub,
    clean: (result) => cleanValue(result, (text) => harmlessLines(scrub(text))),
    signal: host.signal,
    confirm: (question) => confirm({ host, output, style: style(host.stderr.terminal) }, question),
    async openEngine(needs = {}, waitMs = settings.connectWaitMs) {
      const [{ openEngine }, { openWhenThere }] = await loadStores();
      const patience = { waitMs, progress, signal: host.signal, reading };
      return await openWhenThere(() => openEngine(parts, needs), ({ engine }) => engine.status(), patience);
    },
    async openFleet() {
      const [{ openFleet }, { openWhenThere }] = await loadStores();
      const patience = { waitMs: settings.connectWaitMs, progress, signal: host.signal, reading };
      const open = await openWhenThere(
        () => reading(openFleet(parts, host.signal)),
        ({ fleet }) => [...fleet.engines.values()][0]?.status() ?? Promise.resolve(),
        patience,
      );
      const named = open.leftOut.slice(0, NAMED_DEPLOYMENTS);
      const more = open.leftOut.length - named.length;
      for (const one of named) log.warn(`Left out the deployment ${one}`);
      if (more > 0) log.warn(`Left out ${more} more deployments with such IDs`);
      return open;
    },
    reading,
  };
}

function loadStores() {
  return Promise.all([import("./stores/open_engine.ts"), import("./stores/await_stores.ts")]);
}
