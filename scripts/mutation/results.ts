/**
 * What came of the faults that were tried, folder by folder.
 *
 * @module
 */

/** One fault that was tried. */
export interface Result {
  readonly name: string;
  readonly file: string;
  readonly kind: string;
  readonly diff: string;
  /** The test that noticed it, or null: it survives. */
  readonly killedBy: string | null;
  /** The tests that did not. */
  readonly asked: readonly string[];
}

/** A table of Markdown, and under it every fault that survives. */
export function describeResults(results: readonly Result[]): string {
  const folders = Map.groupBy(results, ({ file }) => file.slice(0, file.lastIndexOf("/") + 1));
  const rows = [...folders].sort(([a], [b]) => a < b ? -1 : 1).map(([folder, its]) =>
    row(`\`${folder}\``, its)
  );
  const survivors = results.filter(({ killedBy }) => killedBy === null).map(({ diff }) => diff);
  return [
    "",
    "| folder | faults | noticed | share |",
    "| --- | --- | --- | --- |",
    ...rows,
    row("all", results),
    "",
    ...survivors,
  ].join("\n");
}

function row(name: string, results: readonly Result[]): string {
  const noticed = results.filter(({ killedBy }) => killedBy !== null).length;
  const share = results.length === 0 ? "" : `${Math.round(100 * noticed / results.length)} %`;
  return `| ${name} | ${results.length} | ${noticed} | ${share} |`;
}
