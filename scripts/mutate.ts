/**
 * `deno task mutate`: puts small faults into a copy of the product, one at a time, and runs the tests that can notice them.
 *
 *   deno task mutate [PATH...] [--seed N] [--sample N] [--log FILE] [--jobs N] [--again] [--far] [--list]
 *
 * Which faults are tried, and in which order, the seed decides. What was tried before with the same log is not tried again, so
 * that a run can be ended at any time and gone on with, also with a larger sample. `--again` tries what survived once more, with
 * the tests that were not asked yet; `--far` asks all tests that reach the file, not only those that are about it.
 *
 * @module
 */

import { dirname, fromFileUrl, join } from "@std/path";
import { parseArgs } from "node:util";
import { Random } from "../tests/torture/random.ts";
import { type ImportGraph, readImports } from "./imports.ts";
import { firstToNotice } from "./mutation/first_to_notice.ts";
import { type Mutant, mutantsOf } from "./mutation/mutants.ts";
import { type NoticingTests, noticingTests } from "./mutation/noticing_tests.ts";
import { describeResults, type Result } from "./mutation/results.ts";

const ROOT = fromFileUrl(new URL("..", import.meta.url));

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
    jobs: { type: "string", default: "2" },
    again: { type: "boolean", default: false },
    far: { type: "boolean", default: false },
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
  const copies = await Promise.all(Array.from({ length: Number(values.jobs) }, copyTree));
  try {
    const tests = files.filter((file) => file.startsWith("tests/") && file.endsWith("_test.ts"));
    const graph = await graphOf(copies[0]!, tests);
    const known = new Map((await readLines<Result>(log)).map((result) => [result.name, result]));
    const left = sample.filter((one) => {
      const result = known.get(nameOf(one));
      return result === undefined || (values.again && result.killedBy === null);
    });
    await inEach(copies, left, async (copy, one) => {
      const before = known.get(nameOf(one))?.asked ?? [];
      const result = await tryOne(copy, one, noticingTests(one.file, tests, graph), before);
      known.set(result.name, result);
      await append(log, result);
    });
    say(describeResults(sample.flatMap((one) => known.get(nameOf(one)) ?? [])));
  } finally {
    for (const copy of copies) await Deno.remove(copy, { recursive: true });
  }
}

/** @param before Which tests did not notice it. */
async function tryOne(
  copy: string,
  one: Candidate,
  tests: NoticingTests,
  before: readonly string[],
): Promise<Result> {
  const text = await Deno.readTextFile(join(ROOT, one.file));
  const faulty = text.slice(0, one.start) + one.replacement + text.slice(one.end);
  await Deno.writeTextFile(join(copy, one.file), faulty);
  const began = performance.now();
  const { killedBy, asked } = await firstToNotice(copy, one.file, tests, { before, far: values.far });
  await Deno.writeTextFile(join(copy, one.file), text);
  const seconds = Math.round((performance.now() - began) / 1000);
  const [name, diff] = [nameOf(one), diffOf(text, one)];
  say(`${killedBy === null ? "SURVIVES" : `noticed by ${killedBy}`}, ${seconds} s: ${name}`);
  if (killedBy === null) say(diff);
  return { name, file: one.file, kind: one.kind, diff, killedBy, asked: [...before, ...asked] };
}

/** Each copy takes the next one as soon as it is free. */
async function inEach<T>(
  copies: readonly string[],
  all: readonly T[],
  run: (copy: string, one: T) => Promise<void>,
): Promise<void> {
  const left = all.values();
  await Promise.all(copies.map(async (copy) => {
    for (const one of left) await run(copy, one);
  }));
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
  try {
    return await readImports(copy, all);
  } finally {
    await Deno.remove(join(copy, all));
  }
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

async function readLines<T>(path: string): Promise<T[]> {
  try {
    return (await Deno.readTextFile(path)).trim().split("\n").map((line) => JSON.parse(line) as T);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

async function append(path: string, value: unknown): Promise<void> {
  await Deno.writeTextFile(path, `${JSON.stringify(value)}\n`, { append: true });
}
