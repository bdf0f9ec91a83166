/**
 * Prints `docs/scoreboard.md`: what each test of the scoreboard says of itself. Run as a process of its own, so that whoever
 * wants the text does not register these tests as well.
 *
 * @module
 */

import { CHAPTERS } from "../tests/scoreboard/failure.ts";
import { entriesOf, NOT_SHOWN } from "../tests/scoreboard/known_failures.ts";

const FOLDER = new URL("../tests/scoreboard/", import.meta.url);

/** The whole page, made by a process that loads the tests and runs none. */
export function scoreboardPage(): Promise<string> {
  return told([]);
}

/** Which entries of the list of known failures its proofs show. */
export async function scoreboardEntries(): Promise<readonly string[]> {
  return JSON.parse(await told(["--entries"])) as string[];
}

async function told(args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--quiet", "--no-check", import.meta.url, ...args],
    stdin: "null",
  }).output();
  const text = new TextDecoder();
  if (!success) throw new Error(`The scoreboard could not be read: ${text.decode(stderr)}`);
  return text.decode(stdout);
}

function page(): string {
  const chapters = [...CHAPTERS].map(({ title, failures }) => [
    `## ${title}`,
    "",
    "| failure | what goes wrong elsewhere | known from | how it is shown here |",
    "| --- | --- | --- | --- |",
    ...failures.map(({ id, severity, failure, from, shown }) =>
      `| ${id} (${severity}) | ${[failure, from, shown].map(cell).join(" | ")} |`
    ),
    "",
  ]);
  return [
    "# Scoreboard",
    "",
    "What is known to go wrong in tools that do this job, and the test that does the same here. S1 loses data or lies, S2 stops",
    "people, S3 annoys. B are those of the Go tools, R and P those of this project's first release candidate; of other projects the",
    "number of an issue is given. Made by `deno task docs` from `tests/scoreboard/`, which `./dev test tests/scoreboard` runs.",
    "",
    ...chapters.flat(),
    "## Not shown",
    "",
    ...Object.entries(NOT_SHOWN).map(([entry, why]) => `- ${entry}: ${why}`),
    "",
  ].join("\n");
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

if (import.meta.main) {
  const names = [...Deno.readDirSync(FOLDER)].map(({ name }) => name).filter((name) =>
    name.endsWith("_test.ts")
  );
  for (const name of names.sort()) await import(new URL(name, FOLDER).href);
  const entries = () => CHAPTERS.flatMap(({ failures }) => failures.flatMap(entriesOf));
  const text = Deno.args.includes("--entries") ? JSON.stringify(entries()) : page();
  await Deno.stdout.write(new TextEncoder().encode(text));
}
