/**
 * Which lines of the product each file of tests runs, and how long it takes: kept, and read anew where a file that the tests
 * reach has changed.
 *
 * @module
 */

import { join } from "@std/path";
import type { ImportGraph } from "../imports.ts";
import { runDeno } from "./run_deno.ts";

/** What one file of tests ran. */
export interface Covered {
  readonly test: string;
  /** Of its text and all that it imports. */
  readonly digest: string;
  /** False when it fails without any fault: it can notice nothing. */
  readonly passes: boolean;
  readonly seconds: number;
  /** By file of the product the lines that were counted, from 1; negative those that never ran. */
  readonly lines: Readonly<Record<string, readonly number[]>>;
}

/** Longer than any file of tests takes on a busy machine. */
const LONGEST_MS = 400_000;

/** Runs a file of tests, with what its children run counted as well. */
export async function readCoverage(copy: string, test: string, digest: string): Promise<Covered> {
  const folder = await Deno.makeTempDir({ prefix: "outpost-coverage-" });
  try {
    const began = performance.now();
    const first = await runDeno(copy, ["test", "-A", "--no-check", `--coverage=${folder}`, test], LONGEST_MS);
    const seconds = (performance.now() - began) / 1000;
    // Measuring makes it slower, which a test may take amiss.
    const passes = first.code === 0 ||
      (await runDeno(copy, ["test", "-A", "--no-check", test], LONGEST_MS)).code === 0;
    return { test, digest, passes, seconds, lines: await linesOf(copy, join(folder, "lcov.info")) };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Reads what Deno writes: `SF:` names a file, `DA:` a line and how often it ran. */
async function linesOf(copy: string, report: string): Promise<Record<string, number[]>> {
  const found: Record<string, number[]> = {};
  let lines: number[] = [];
  for (const row of (await Deno.readTextFile(report).catch(() => "")).split("\n")) {
    if (row.startsWith("SF:")) {
      lines = [];
      const file = row.slice(3);
      if (/^\/(?:engine|migrations|cli|testing)\//.test(file.slice(copy.length))) {
        found[file.slice(copy.length + 1)] = lines;
      }
    }
    const [, line, times] = /^DA:(\d+),(\d+)/.exec(row) ?? [];
    if (line !== undefined) lines.push(times === "0" ? -Number(line) : Number(line));
  }
  return found;
}

function reachedBy(graph: ImportGraph, from: string): string[] {
  const seen = new Set<string>();
  const visit = (file: string) => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const next of graph.get(file) ?? []) visit(next);
  };
  visit(from);
  return [...seen].sort();
}

/** @returns What tells a file of tests, with all that it imports, from an earlier one. */
export async function digestOf(copy: string, graph: ImportGraph, test: string): Promise<string> {
  const texts = await Promise.all(reachedBy(graph, test).map((file) => Deno.readTextFile(join(copy, file))));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(texts.join("\0")));
  return new Uint8Array(hash).toHex().slice(0, 20);
}
