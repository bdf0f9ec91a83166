/**
 * The scoreboard: each known failure of tools that do this job, and the proof that it does not happen here.
 *
 * @module
 */

/** How bad it is: data lost or a lie told, people stopped, people annoyed. */
export type Severity = "S1" | "S2" | "S3";

/** One known failure. @template World What its proof works on. */
export interface Failure<World> {
  /** Where it is listed, for example `B14`. */
  readonly id: string;
  readonly severity: Severity;
  /** What goes wrong elsewhere. */
  readonly failure: string;
  /** Where it is known from. */
  readonly from: string;
  /** How it is shown here that it does not happen. */
  readonly shown: string;
  /** Says why it cannot be shown with the servers at hand, where it cannot: null where it can. */
  leftOut?(world: World): Promise<string | null>;
  /** Does what goes wrong elsewhere. */
  prove(world: World): Promise<void>;
}

/** Failures of one kind. */
export interface Chapter {
  readonly title: string;
  readonly failures: readonly Omit<Failure<never>, "prove" | "leftOut">[];
}

/** Every chapter whose tests were loaded. */
export const CHAPTERS: Chapter[] = [];

// What a lost connection leaves behind ends with the process.
const quietly = { sanitizeOps: false, sanitizeResources: false };

/**
 * Makes a test of each failure of a chapter, on servers that they share.
 *
 * @param start Starts the servers.
 */
export function chapter<World extends AsyncDisposable>(
  title: string,
  start: () => Promise<World>,
  failures: readonly Failure<World>[],
): void {
  CHAPTERS.push({ title, failures });
  Deno.test(title, quietly, async (t) => {
    await using world = await start();
    for (const { id, failure, leftOut, prove } of failures) {
      const why = await leftOut?.(world) ?? null;
      await t.step({
        name: `${id}: ${failure}${why === null ? "" : ` (left out: ${why})`}`,
        ignore: why !== null,
        fn: () => prove(world),
      });
    }
  });
}
