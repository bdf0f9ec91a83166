/**
 * What callers hand over, checked in one place before any store is asked: not every caller has a compiler.
 *
 * @module
 */

import { RefusedError, RegistryError } from "./errors.ts";
import { SQL_STORES } from "./migration.ts";

/** What an option has to be, for people, and whether it is. */
type Rule = readonly [what: string, holds: (value: unknown) => boolean];

const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);
const isObject = (value: unknown) => typeof value === "object" && value !== null;
const isText = (value: unknown) => typeof value === "string";

/** The longest time that a timer takes. */
const LONGEST_MS = 2 ** 31 - 1;

const RATE: Rule = ["number above zero", (value) => Number.isFinite(value) && (value as number) > 0];
const COUNT: Rule = ["whole number above zero", (value) => isWhole(value) && value > 0];
const LIMIT: Rule = ["whole number from 0 on", (value) => isWhole(value) && value >= 0];
const WAIT: Rule = ["number from 0 on", (value) => typeof value === "number" && value >= 0];
const SPAN: Rule = [
  `whole number of milliseconds from 1 to ${LONGEST_MS}`,
  (value) => isWhole(value) && value > 0 && value <= LONGEST_MS,
];
const PATIENCE: Rule = [
  `whole number of milliseconds from 0 to ${LONGEST_MS}`,
  (value) => isWhole(value) && value >= 0 && value <= LONGEST_MS,
];
const YES_OR_NO: Rule = ["boolean", (value) => typeof value === "boolean"];
const TEXT: Rule = ["string", isText];
const TEXTS: Rule = ["list of strings", (value) => Array.isArray(value) && value.every(isText)];
const FUNCTION: Rule = ["function", (value) => typeof value === "function"];
const SIGNAL: Rule = ["AbortSignal", (value) => value instanceof AbortSignal];
const STORE: Rule = [
  `SQL store (${SQL_STORES.join(", ")})`,
  (value) => SQL_STORES.some((name) => name === value),
];
const KEPT: Rule = ['form, "original" or "copy"', (value) => value === "original" || value === "copy"];
const OBJECTS: Rule = ["list of objects", (value) => Array.isArray(value) && value.every(isObject)];
const PLAN: Rule = ["plan with its digest and basis", (value) => {
  const { digest, basis } = (value ?? {}) as { digest?: unknown; basis?: { selected?: unknown } | null };
  return isText(digest) && TEXTS[1](basis?.selected);
}];

/** Of options by their names. A name means the same wherever it stands. */
const RULES: Readonly<Record<string, Rule>> = {
  ...{ maxRate: RATE, batchSize: COUNT, sample: COUNT, waitMs: WAIT, from: LIMIT },
  ...{ lockTtlMs: SPAN, lockTimeoutMs: PATIENCE, statementTimeoutMs: PATIENCE, lockRetries: LIMIT },
  ...{ rerun: YES_OR_NO, noPrepared: YES_OR_NO, justShown: YES_OR_NO, skipInvalid: YES_OR_NO },
  ...{ full: YES_OR_NO, any: YES_OR_NO, force: YES_OR_NO, unlessHeld: YES_OR_NO },
  ...{ id: TEXT, ids: TEXTS, keys: TEXTS, store: STORE, signal: SIGNAL, plan: PLAN, saved: PLAN },
  ...{ keep: KEPT, differences: OBJECTS },
  ...{ onEvent: FUNCTION, onProgress: FUNCTION, onRetry: FUNCTION, onWait: FUNCTION },
};

/**
 * Checks options by their names. What is left out, or undefined, holds by default; what has no rule is left alone.
 *
 * @throws {RefusedError} When one is nothing that it may be: a sample of none would prove everything, a rate of none never end, and the
 * text "false" count as a yes.
 */
export function checkOptions(options: object): void {
  if (!isObject(options)) {
    throw new RefusedError(`Cannot use ${shown(options)} for options: they have to be an object`);
  }
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(RULES, name) ? RULES[name] : undefined;
    if (value === undefined || rule === undefined || rule[1](value)) continue;
    throw new RefusedError(`Cannot use the option "${name}": ${shown(value)} is no ${rule[0]}`);
  }
}

/** A rule for what may be left out. */
const maybe = ([what, holds]: Rule): Rule => [what, (value) => value === undefined || holds(value)];

const NAME: Rule = ["name", (value) => isText(value) && value !== ""];
const OBJECT: Rule = ["object", isObject];
const STATEMENTS: Rule = [
  "list of statements, each an object with its text",
  (value) => OBJECTS[1](value) && (value as { text?: unknown }[]).every(({ text }) => isText(text)),
];
const CLICKHOUSE: Rule = [
  "client of @clickhouse/client",
  (value) =>
    ["query", "command", "insert", "ping"].every((method) =>
      typeof (value as Record<string, unknown> | null | undefined)?.[method] === "function"
    ),
];

/** What an engine, and what defines migrations, cannot do without, by where it stands; a rule for each name. */
const NEEDED = {
  fleet: { deployments: OBJECTS, shared: maybe(OBJECT) },
  engine: { registry: OBJECT, names: OBJECT, version: NAME, owner: OBJECT, deployment: maybe(TEXT) },
  clickhouse: { client: CLICKHOUSE, identity: NAME },
  owner: { host: NAME, pid: LIMIT },
  names: { tool: NAME, lock: OBJECT },
  "names.lock": { lock: NAME, fence: NAME, older: TEXTS },
  "names.postgres": { bookkeepingTable: NAME, historyTable: NAME, lockKey: FUNCTION },
  "names.clickhouse": { bookkeeping: NAME, history: NAME, prefix: TEXT },
  "names.redis": {
    deployment: TEXT,
    ...{ stateKey: FUNCTION, olderStates: FUNCTION, isIgnored: FUNCTION, donePhases: TEXTS },
    usedPrefixes: [
      "list of strings, one at least: by nothing else a used Redis is told from a fresh one",
      (value) => TEXTS[1](value) && (value as string[]).length > 0,
    ] as Rule,
  },
  registry: { postgres: maybe(OBJECT), clickhouse: maybe(OBJECT), redis: maybe(OBJECTS) },
  steps: {
    steps: OBJECTS,
    directory: ["path or null", (value) => value === null || isText(value)] as Rule,
    schemas: ["list of schemas", (value) => Array.isArray(value) && value.every(Array.isArray)] as Rule,
  },
  step: {
    ...{ name: NAME, transactional: YES_OR_NO, up: STATEMENTS, down: STATEMENTS },
    ...{ forecast: FUNCTION, forecastDown: FUNCTION },
  },
  transform: {
    ...{ pattern: NAME, fields: TEXTS, groupOf: FUNCTION },
    ...{ kindOf: FUNCTION, change: FUNCTION, mayBe: maybe(FUNCTION) },
  },
  copy: {
    ...{ pattern: NAME, fields: maybe(TEXTS), groupOf: FUNCTION },
    ...{ judge: FUNCTION, decide: maybe(FUNCTION), questions: maybe(FUNCTION), likely: maybe(FUNCTION) },
    ...{ times: maybe(TEXTS), secrets: maybe(TEXTS) },
    takenAway: maybe(["Map", (value) => value instanceof Map]),
  },
};
type Part = keyof typeof NEEDED;

/**
 * Checks a part of what an engine is made of.
 *
 * @throws {RefusedError} When it lacks something, or has it of a wrong kind.
 */
export function checkPart(part: Part, given: unknown): void {
  const of = part === "engine" || part === "fleet" ? "" : `${part}.`;
  const fault = faultOf(part, given, of);
  if (fault !== null) {
    throw new RefusedError(`Cannot create the ${part === "fleet" ? part : "engine"}: ${fault}`);
  }
}

/**
 * Checks a part of what defines migrations.
 *
 * @param what What it is, for people, such as `the SQL steps`.
 * @throws {RegistryError} When it lacks something, or has it of a wrong kind.
 */
export function checkDefinition(part: Part, given: unknown, what: string): void {
  const fault = isObject(given) ? faultOf(part, given, "") : `${shown(given)} is no object`;
  if (fault !== null) throw new RegistryError(`Cannot use ${what}: ${fault}`);
}

function faultOf(part: Part, given: unknown, of: string): string | null {
  for (const [name, [what, holds]] of Object.entries<Rule>(NEEDED[part])) {
    const value = (given as Readonly<Record<string, unknown>> | null | undefined)?.[name];
    if (!holds(value)) return `its ${of}${name}, ${shown(value)}, is no ${what}`;
  }
  return null;
}

/** Checks what `down()` is given. Infinity is more than there are. @throws {RefusedError} When it is no number of steps, nor a version. */
export function checkTarget(target: unknown): void {
  const { to } = (target ?? {}) as { readonly to?: unknown };
  if (target === Infinity || LIMIT[1](target) || LIMIT[1](to)) return;
  const given = isObject(target) ? `version ${shown(to)}` : shown(target);
  throw new RefusedError(`Cannot take SQL steps back: ${given} is no ${LIMIT[0]}`);
}

/** A value of a wrong kind, for people. */
export function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "this list";
  if (typeof value === "function") return "this function";
  return isObject(value) ? "this object" : String(value);
}
