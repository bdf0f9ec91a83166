/**
 * Which tests can notice a fault in a file, as far as they reach it by imports.
 *
 * @module
 */

import type { ImportGraph } from "../imports.ts";
import { nearTests } from "./near_tests.ts";

/** Files of tests, in the order in which they are to be asked. */
export interface NoticingTests {
  /** Without servers: asked all at once. */
  readonly unit: readonly string[];
  /** About the file, as a table says. */
  readonly near: readonly string[];
  /** All the others: minutes for one fault. */
  readonly far: readonly string[];
}

/** Tests of what is shipped run the product as a whole, and notice what others notice before. */
const LEFT_OUT = /^tests\/integration\/(shipping\/|docs_test|documented_commands_test)/;

/** Groups the tests that reach a file. */
export function noticingTests(file: string, tests: readonly string[], graph: ImportGraph): NoticingTests {
  const reaching = tests.filter((test) => !LEFT_OUT.test(test) && reaches(graph, test, file));
  const [room] = file.split("/") as [string];
  const unit = reaching.filter((test) => test.startsWith(`tests/unit/${room}/`));
  const near = nearTests(file).filter((test) => reaching.includes(test));
  const far = reaching.filter((test) => !unit.includes(test) && !near.includes(test));
  return { unit, near, far };
}

function reaches(graph: ImportGraph, from: string, to: string): boolean {
  const seen = new Set<string>();
  const visit = (file: string): boolean => {
    if (file === to) return true;
    if (seen.has(file)) return false;
    seen.add(file);
    return (graph.get(file) ?? []).some(visit);
  };
  return visit(from);
}
