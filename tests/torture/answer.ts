/**
 * What a command of the program said, read from its JSON as any script would.
 *
 * @module
 */

/** A command that ended. */
export interface Answer {
  readonly words: readonly string[];
  readonly deployment: string;
  /** Exit status; null for a process that was killed. */
  readonly code: number | null;
  /** Every object that it printed. */
  readonly objects: readonly Record<string, unknown>[];
  readonly stderr: string;
  /** When it was started and when it ended, in Unix milliseconds. */
  readonly startedAt: number;
  readonly endedAt: number;
  /** When it stood still meanwhile, from and to. */
  readonly standstills: readonly (readonly [from: number, to: number])[];
}

/** Reads what was printed. Half a line, of a process that was killed, is nothing. */
export function parseObjects(stdout: string): Record<string, unknown>[] {
  return stdout.split("\n").flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return typeof value === "object" && value !== null ? [value as Record<string, unknown>] : [];
    } catch {
      return [];
    }
  });
}

/** Every text that names something which is not as it should be. */
export function issuesOf({ objects }: Answer): string[] {
  const found: string[] = [];
  const visit = (value: unknown, key: string) => {
    if (Array.isArray(value)) {
      for (const item of value) {
        if (key === "issues" && typeof item === "string") found.push(item);
        else visit(item, "");
      }
    } else if (typeof value === "object" && value !== null) {
      for (const [name, item] of Object.entries(value)) visit(item, name);
    }
  };
  for (const object of objects) visit(object, "");
  return found;
}

/** What a command for several deployments said of each; the answer itself where it was for one. */
export function perDeployment(answer: Answer): readonly Answer[] {
  const all = answer.objects.at(-1)?.deployments;
  if (!Array.isArray(all)) return [answer];
  return all.map(({ deployment_id: deployment, ...told }) => ({
    ...answer,
    deployment,
    objects: [
      ...answer.objects.filter((object) => object.deployment_id === deployment),
      { event: "summary", ...told },
    ],
  }));
}

/** How many things are not as they should be beyond those that an answer names, which are ten at most. */
export function unnamedIn(answer: Answer): number {
  const told = issuesOf(answer).map((issue) => Number(/^Others\b.*: (\d+)$/.exec(issue)?.[1] ?? 0));
  const counted = answer.objects.map(({ failed, kept, issues }) =>
    Array.isArray(issues) ? Math.max(Number(failed) || 0, Number(kept) || 0) - issues.length : 0
  );
  return Math.max(0, ...told, ...counted);
}

/** Code and message of the error that ended it; null where there was none. */
export function errorOf({ objects }: Answer): { readonly code: string; readonly message: string } | null {
  for (const { error } of objects) {
    if (typeof error === "object" && error !== null) {
      return error as { readonly code: string; readonly message: string };
    }
  }
  return null;
}

/** What the program says to do about its error; null where it says nothing. */
export function hintOf({ objects }: Answer): string | null {
  for (const { error } of objects) {
    if (typeof error === "object" && error !== null) return (error as { hint?: string | null }).hint ?? null;
  }
  return null;
}

/** IDs of the migrations that an `apply` brought to their end in this run. */
export function appliedBy({ objects }: Answer): readonly string[] {
  const summary = objects.find(({ event }) => event === "summary");
  return (summary?.applied as string[] | undefined) ?? [];
}

/** An answer in one line, for the log. */
export function describeAnswer(answer: Answer): string {
  const error = errorOf(answer);
  const issues = issuesOf(answer);
  return [
    `exit ${answer.code ?? "killed"}`,
    ...(error === null ? [] : [`${error.code}: ${error.message}`]),
    ...(appliedBy(answer).length === 0 ? [] : [`applied ${appliedBy(answer).join(", ")}`]),
    ...(issues.length === 0 ? [] : [`issues: ${issues.join(" | ")}`]),
  ].join("; ");
}
