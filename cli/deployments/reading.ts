/**
 * Commands that only read, for several deployments.
 *
 * @module
 */

import type { Engine } from "../../engine/engine.ts";
import type { Context } from "../context.ts";
import { askAll, chooseBy } from "./accounts.ts";
import { reportAll, type Telling } from "./report.ts";

/** How a command reads. */
export interface Reading<T> extends Telling<T> {
  /** Loose IDs of migrations; empty for all. */
  readonly ids?: readonly string[];
  /** What to say while it takes its time. */
  readonly busy?: string;
  /** @param ids In full, those that the engine knows. */
  readonly ask: (engine: Engine, ids: readonly string[]) => Promise<T>;
}

/** Asks every deployment, and what they share, and tells what each answered. @returns The exit status. */
export async function readAll<T>(context: Context, reading: Reading<T>): Promise<number> {
  if (context.settings.allDeployments) context.progress.busy("Looking for deployments ...");
  await using open = await context.openFleet();
  const chosen = chooseBy(open.fleet, reading.ids ?? []);
  if (reading.busy !== undefined) context.progress.busy(reading.busy);
  const accounts = await context.reading(
    askAll(chosen, (engine) => reading.ask(engine, chosen.idsOf(engine))),
  );
  return reportAll(context, accounts, { ...reading, looks: true });
}
