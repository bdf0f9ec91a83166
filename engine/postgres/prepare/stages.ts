/**
 * The order in which a preparation is built. Each stage is committed with the note that it is done.
 *
 * @module
 */

import type { Part, Preparation } from "./describe.ts";

/** One stage. */
export type Stage =
  /** Rows are copied, in batches, in the order of their keys. */
  | { readonly kind: "rows"; readonly part: Part }
  /** A statement over a part that is filled. */
  | { readonly kind: "statement"; readonly part: Part; readonly text: string }
  /** The same without a transaction; it may run twice. */
  | { readonly kind: "alone"; readonly part: Part; readonly text: string }
  /** What was made is compared with what it is made of. */
  | { readonly kind: "proof" };

/** All stages, in order. */
export function stagesOf({ parts }: Preparation): readonly Stage[] {
  return [
    ...parts.flatMap((part): Stage[] => [
      { kind: "rows", part },
      ...part.afterwards.map(({ text }) => ({ kind: "statement" as const, part, text })),
      // What reads the table next, this tool or the application, finds it as after long use.
      {
        kind: "alone",
        part,
        text: `VACUUM (ANALYZE) ${part.into.kind === "table" ? part.into.table : part.into.map}`,
      },
    ]),
    { kind: "proof" },
  ];
}

/** What is being done, for people. */
export function stageText(preparation: Preparation, stage: number): string {
  const found = stagesOf(preparation)[stage];
  if (found === undefined) return "ready";
  if (found.kind === "proof") return "comparing";
  return found.kind === "rows" ? `copying ${found.part.name}` : `indexing ${found.part.name}`;
}
