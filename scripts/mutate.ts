/**
 * `deno task mutate`: puts small faults into a copy of the product, one at a time, and runs the tests that can notice them.
 *
 *   deno task mutate [PATH...] [--seed N] [--sample N] [--log FILE] [--list]
 *
 * Which faults are tried, and in which order, the seed decides. What was tried before with the same log is not tried again, so
 * that a run can be ended at any time and gone on with, also with a larger sample.
 *
 * @module
 */

import { dirname, fromFileUrl, join } from "@std/path";
import { parseArgs } from "node:util";
import { Random } from "../tests/torture/random.ts";
import { type ImportGraph, readImports } from "./imports.ts";
import { type Mutant, mutantsOf } from "./mutation/mutants.ts";
import { noticingTests } from "./mutation/noticing_tests.ts";
import { describeResults, type Result } from "./mutation/results.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));
/** Longer than any stage of tests takes on a busy machine: a fault that makes one hang is noticed too. */
const LONGEST_MS = 300_000;

/** A fault and its file. */
interface Candidate extends Mutant {
  readonly file: string;
}

const { values, positionals } = parseArgs({
  args: Deno.args,
  allowPositionals: true,
  options: {
    seed: { type: "string", default: "1" },
    sample: { type: "string", default: "50" },
    log: { type: "string" },
    list: { type: "boolean", default: false },
  },
});
const say = (text: string) => Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
const places = positionals.length === 0 ? ["engine/", "migrations/"] : positionals;
const log = values.log ?? join(ROOT, ".cache", `mutants-${values.seed}.jsonl`);

const files = await trackedFiles();
const sample = choose(await candidates(), Number(values.seed), Number(values.sample));
if (values.list) {
  for (const one of sample) say(nameOf(one));
} else await tryAll();

async function tryAll(): Promise<void> {
  const known = await readLog();
  const copy = await copyTree();
  try {
    const tests = files.filter((file) => file.startsWith("tests/") && file.endsWith("_test.ts"));
    const graph = await graphOf(copy, tests);
    for (const [i, one] of sample.entries()) {
      if (known.has(nameOf(one))) continue;
      const text = await Deno.readTextFile(join(ROOT, one.file));
      await Deno.writeTextFile(
        join(copy, one.file),
        text.slice(0, one.start) + one.replacement + text.slice(one.end),
      );
      const began = performance.now();
      const killedBy = await firstToNotice(copy, one.file, noticingTests(one.file, tests, graph));
      await Deno.writeTextFile(join(copy, one.file), text);
      const seconds = Math.round((performance.now() - began) / 1000);
      const result: Result = {
        name: nameOf(one),
        file: one.file,
        kind: one.kind,
        diff: diffOf(text, one),
        killedBy,
      };
      known.set(result.name, result);
      await Deno.writeTextFile(log, `${JSON.stringify(result)}\n`, { append: true });
      say(
        `${i + 1}/${sample.length} ${
          killedBy === null ? "SURVIVES" : `noticed by ${killedBy}`
        }, ${seconds} s: ${result.name}`,
      );
      if (killedBy === null) say(result.diff);
    }
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
  say(describeResults(sample.flatMap((one) => known.get(nameOf(one)) ?? [])));
}

/** @returns What noticed the fault first, or null. */
async function firstToNotice(
  copy: string,
  file: string,
  stages: readonly (readonly string[])[],
): Promise<string | null> {
  for (const stage of stages) {
    const { code, text } = await deno(copy, ["test", "-A", "--no-check", "--fail-fast", ...stage]);
    if (code === null) return "a test that never ends";
    if (code !== 0) return /(?:^|\.\/)(tests\/[\w/.-]+_test\.ts):\d/m.exec(text)?.[1] ?? stage[0]!;
  }
  // Last, as it takes a while: most that the types refuse, a test has noticed before.
  return (await deno(copy, ["check", "--quiet", file])).code === 0 ? null : "the types";
}

/** @returns The exit status, null when it took too long; and what was printed. */
async function deno(cwd: string, args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const late = AbortSignal.timeout(LONGEST_MS);
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: late,
  }).spawn();
  const { code, stdout, stderr } = await child.output();
  const decoder = new TextDecoder();
  return { code: late.aborted ? null : code, text: decoder.decode(stdout) + decoder.decode(stderr) };
}

/** Everything that tests read, in a folder of its own; what was fetched is shared. */
async function copyTree(): Promise<string> {
  const copy = await Deno.makeTempDir({ prefix: "outpost-mutants-" });
  for (const file of files) {
    await Deno.mkdir(dirname(join(copy, file)), { recursive: true });
    await Deno.copyFile(join(ROOT, file), join(copy, file));
  }
  await Deno.mkdir(join(ROOT, ".cache"), { recursive: true });
  await Deno.symlink(join(ROOT, ".cache"), join(copy, ".cache"));
  return copy;
}

async function trackedFiles(): Promise<string[]> {
  const { success, stdout } = await new Deno.Command("git", { args: ["ls-files"], cwd: ROOT }).output();
  if (!success) throw new Error("This is no checkout of git");
  const listed = new TextDecoder().decode(stdout).trim().split("\n");
  return listed.filter((file) => Deno.statSync(join(ROOT, file)).isFile);
}

async function candidates(): Promise<Candidate[]> {
  const chosen = files.filter((file) =>
    file.endsWith(".ts") && places.some((place) => file.startsWith(place))
  );
  const found = await Promise.all(chosen.map(async (file) => {
    const text = await Deno.readTextFile(join(ROOT, file));
    return mutantsOf(file, text).map((mutant) => ({ ...mutant, file }));
  }));
  return found.flat();
}

/** Shuffled, so that a larger sample holds a smaller one of the same seed. */
function choose(all: Candidate[], seed: number, count: number): Candidate[] {
  const random = new Random(seed);
  for (let i = all.length - 1; i > 0; i--) {
    const other = random.between(0, i);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.slice(0, count);
}

/** What all tests import, read at once. */
async function graphOf(copy: string, tests: readonly string[]): Promise<ImportGraph> {
  const all = "all_tests.ts";
  await Deno.writeTextFile(join(copy, all), tests.map((test) => `import "./${test}";\n`).join(""));
  return await readImports(copy, all);
}

function nameOf({ file, kind, start, end, replacement }: Candidate): string {
  return `${file}:${start}-${end} ${kind} ${
    replacement.length > 60 ? `${replacement.slice(0, 60)}...` : replacement
  }`;
}

/** The lines before and after. */
function diffOf(text: string, { file, start, end, replacement }: Candidate): string {
  const from = text.lastIndexOf("\n", start - 1) + 1;
  const to = text.indexOf("\n", end) < 0 ? text.length : text.indexOf("\n", end);
  const lines = (part: string, sign: string) => part.split("\n").map((line) => `${sign}${line}`).join("\n");
  const line = text.slice(0, start).split("\n").length;
  const after = text.slice(from, start) + replacement + text.slice(end, to);
  return `  ${file}:${line}\n${lines(text.slice(from, to), "  -")}\n${lines(after, "  +")}`;
}

async function readLog(): Promise<Map<string, Result>> {
  try {
    const lines = (await Deno.readTextFile(log)).trim().split("\n");
    return new Map(lines.map((line) => JSON.parse(line) as Result).map((result) => [result.name, result]));
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return new Map();
    throw error;
  }
}
