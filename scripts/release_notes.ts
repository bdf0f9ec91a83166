/**
 * Prints the notes of one release: its section of CHANGELOG.md.
 *
 *   deno run --allow-read=CHANGELOG.md,deno.json scripts/release_notes.ts v0.1.0
 *
 * Fails when the tag is not the version of deno.json, or when the changelog has nothing to say about it, so that no release
 * goes out under a wrong number or without a word.
 *
 * @module
 */

/** The changelog or the version does not fit the tag. */
export class ReleaseNotesError extends Error {
  override readonly name = "ReleaseNotesError";
}

/**
 * Cuts one version's section out of a changelog.
 *
 * @param changelog Markdown with a second-level heading for each version: `## 0.1.0`, `## [0.1.0] - 2026-01-31`.
 * @param version For example `0.1.0`.
 * @returns The section without its heading, with a line feed at the end.
 * @throws {ReleaseNotesError} When the section is missing, appears twice, or is empty.
 */
export function releaseNotes(changelog: string, version: string): string {
  const lines = changelog.split(/\r?\n/);
  const isHeading = markHeadings(lines);
  const starts = lines.flatMap((line, i) => isHeading[i] && headingVersion(line) === version ? [i] : []);
  if (starts.length !== 1) {
    throw new ReleaseNotesError(
      `CHANGELOG.md has ${starts.length === 0 ? "no section" : `${starts.length} sections`} for ${version}`,
    );
  }
  const start = starts[0]! + 1;
  const length = lines.slice(start).findIndex((_, i) => isHeading[start + i]);
  const section = lines.slice(start, length === -1 ? lines.length : start + length).join("\n").trim();
  if (section === "") throw new ReleaseNotesError(`CHANGELOG.md says nothing about ${version}`);
  return `${section}\n`;
}

/**
 * Reads the version from a tag.
 *
 * @param tag `v0.1.0`.
 * @param released The version of deno.json.
 * @throws {ReleaseNotesError} When they differ.
 */
export function versionOfTag(tag: string, released: string): string {
  if (tag !== `v${released}`) {
    throw new ReleaseNotesError(`The tag is "${tag}", but deno.json has version "${released}"`);
  }
  return released;
}

/** Second-level headings, those inside fenced code aside. */
function markHeadings(lines: readonly string[]): boolean[] {
  let fenced = false;
  return lines.map((line) => {
    if (line.startsWith("```")) fenced = !fenced;
    return !fenced && line.startsWith("## ");
  });
}

function headingVersion(line: string): string | undefined {
  return /^## \[?v?([^\s\]]+)/.exec(line)?.[1];
}

if (import.meta.main) {
  const { version } = JSON.parse(await Deno.readTextFile("deno.json")) as { version: string };
  const notes = releaseNotes(
    await Deno.readTextFile("CHANGELOG.md"),
    versionOfTag(Deno.args[0] ?? "", version),
  );
  await Deno.stdout.write(new TextEncoder().encode(notes));
}
