/**
 * Compares outputs with the files in `tests/golden`. `UPDATE_GOLDEN=1` writes them instead.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

/** Asserts that a text is what the golden file holds. @param name For example `plan.txt`. */
export async function assertGolden(name: string, actual: string): Promise<void> {
  const path = fromFileUrl(new URL(`../golden/${name}`, import.meta.url));
  if (Deno.env.get("UPDATE_GOLDEN") === "1") return await Deno.writeTextFile(path, actual);
  let expected: string;
  try {
    expected = await Deno.readTextFile(path);
  } catch {
    throw new Error(`There is no ${path}: look at what the program writes, then run with UPDATE_GOLDEN=1`);
  }
  assertEquals(
    actual,
    expected,
    `The output is not what tests/golden/${name} holds; UPDATE_GOLDEN=1 accepts it`,
  );
}

/**
 * Replaces what differs from run to run and from machine to machine: times, durations, rates, sizes, digests, identities of
 * servers, ports and their padding. The statements of a plan become their number: what they are is tested with the steps.
 */
export function normalize(text: string): string {
  return text.split("\n")
    .filter((line) => !line.startsWith('{"event":"progress"')) // How many there are, the clock decides.
    .map((line) => (line.startsWith("{") ? withoutStatements(line) : line))
    .join("\n")
    .replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "TIME")
    .replace(/\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d UTC)?/g, "TIME")
    .replace(/\bpostgres \d{10,}\/\d+\b/g, "postgres SYSTEM/DATABASE")
    .replace(/\b[0-9a-f]{64}\b/g, "DIGEST")
    .replace(/digest [0-9a-f]{12}\b/g, "digest DIGEST")
    .replace(/\b127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
    .replace(/"port":\d+/g, '"port":0')
    .replace(/"bytes":\d+/g, '"bytes":0')
    .replace(/"(duration_ms|rate_per_second)":\d+/g, '"$1":0')
    .replace(/"remaining_ms":(\d+|null)/g, '"remaining_ms":0')
    .replace(/ *\b\d+(\.\d+)? (B|KiB|MiB)\b/g, " SIZE")
    .replace(/ *\b(\d+ h \d\d m|\d+ m \d\d s|\d+(\.\d+)? m?s)\b/g, " DURATION")
    .replace(/(?<=\S) {2,}/g, "  ");
}

function withoutStatements(line: string): string {
  return JSON.stringify(
    JSON.parse(line, (key, value) => (key === "statements" ? [`${value.length} statements`] : value)),
  );
}
