import { assertEquals, assertThrows } from "@std/assert";
import { releaseNotes, ReleaseNotesError, versionOfTag } from "../../../scripts/release_notes.ts";

const CHANGELOG = `# Changelog

Introduction.

## Unreleased

- Not out yet.

## [0.2.0] - 2026-02-01

> **Upgrading.** Run \`outpost migrate plan\` first.

### Added

- A command:

\`\`\`md
## 0.1.0
\`\`\`

## 0.1.0

- The first.

## 0.0.9

`;

Deno.test("releaseNotes() cuts the section of one version, up to the next one", () => {
  const notes = releaseNotes(CHANGELOG, "0.2.0");
  assertEquals(notes.split("\n")[0], "> **Upgrading.** Run `outpost migrate plan` first.");
  assertEquals(notes.endsWith("```md\n## 0.1.0\n```\n"), true);
});

Deno.test("releaseNotes() reads a heading without brackets or date, and lines that end in CR LF", () => {
  assertEquals(releaseNotes(CHANGELOG, "0.1.0"), "- The first.\n");
  assertEquals(releaseNotes("## v1.0.0\r\n\r\n- Done.\r\n", "1.0.0"), "- Done.\n");
});

Deno.test("releaseNotes() refuses a version that is missing, empty, or there twice", () => {
  const refused = (changelog: string, version: string) =>
    assertThrows(() => releaseNotes(changelog, version), ReleaseNotesError).message;
  assertEquals(refused(CHANGELOG, "0.3.0"), "CHANGELOG.md has no section for 0.3.0");
  assertEquals(refused(CHANGELOG, "0.2"), "CHANGELOG.md has no section for 0.2");
  assertEquals(refused(CHANGELOG, "0.0.9"), "CHANGELOG.md says nothing about 0.0.9");
  assertEquals(refused("## 1.0.0\n- a\n## 1.0.0\n- b\n", "1.0.0"), "CHANGELOG.md has 2 sections for 1.0.0");
});

Deno.test("versionOfTag() refuses a tag that is not the version of deno.json", () => {
  assertEquals(versionOfTag("v0.1.0", "0.1.0"), "0.1.0");
  assertThrows(
    () => versionOfTag("v0.1.1", "0.1.0"),
    ReleaseNotesError,
    'The tag is "v0.1.1", but deno.json has version "0.1.0"',
  );
  assertThrows(() => versionOfTag("", "0.1.0"), ReleaseNotesError);
});
