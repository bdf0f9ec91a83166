/**
 * Settles pairs of which nobody but a person can tell which form is right: shows both, and writes the one chosen over the
 * other, only while both are what was shown.
 *
 * @module
 */

import type { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { RedisDifference } from "../../redis_backend.ts";
import { type Binary, display, fromBytes, toArgument } from "../binary.ts";
import type { ReadContext, WriteContext } from "../context.ts";
import { REPLACE_OWN, RESTORE_NEW } from "../scripts/copying.ts";
import { READ_WHOLE } from "../scripts/reading.ts";
import { convertAfter } from "../transform/convert_records.ts";
import { walk } from "../walk/walk.ts";
import type { CopyChange } from "./change.ts";
import type { Content } from "./content.ts";
import { findPairs, hasLookalikes } from "./pairs.ts";
import { faultOf, judged, type JudgedPair } from "./weigh.ts";

/** Keys that are looked at together. */
const AT_ONCE = 100;
/** Differences that are told with their fields; of the others the keys alone. */
const SHOWN = 10;
/** Of a value, so many characters are shown. */
const SHOWN_VALUE = 60;

/** Which of the two forms holds. */
export type Keep = "original" | "copy";

/**
 * Finds pairs to be settled.
 *
 * @param keys Originals to look at; null for all that differ.
 * @returns Those of `keys` that are there, whether or not they differ; or all that differ.
 */
export async function findDifferences(
  change: CopyChange,
  context: ReadContext,
  keys: readonly Binary[] | null,
): Promise<RedisDifference[]> {
  const lookalikes = await hasLookalikes(change, context);
  const found: RedisDifference[] = [];
  const look = async (some: readonly Binary[]) => {
    const pairs = await findPairs(change, context.store, lookalikes, some);
    for await (const portion of judged(change, context, pairs, { digests: true })) {
      for (const one of portion) {
        const fault = faultOf(one.standing, one.pair.target);
        if (fault === null && keys === null) continue;
        if (found.some(({ source }) => source === one.pair.source)) continue; // SCAN may tell a key twice.
        found.push(show(change, one, fault, keys !== null || found.length < SHOWN));
      }
    }
  };
  if (keys === null) await walk(context.store, { ...context, pattern: change.pattern, visit: look });
  else for (let at = 0; at < keys.length; at += AT_ONCE) await look(keys.slice(at, at + AT_ONCE));
  return found;
}

/** Writes the form that is to hold over the other one. @returns How many were settled, and why others were not. */
export async function settleDifferences(
  change: CopyChange,
  context: WriteContext,
  differences: readonly RedisDifference[],
  keep: Keep,
): Promise<{ readonly resolved: number; readonly issues: readonly string[] }> {
  const lookalikes = await hasLookalikes(change, context);
  const issues: string[] = [];
  let resolved = 0;
  for (let at = 0; at < differences.length; at += AT_ONCE) {
    context.signal.throwIfAborted();
    const some = new Map(differences.slice(at, at + AT_ONCE).map((one) => [one.source, one]));
    const pairs = await findPairs(change, context.store, lookalikes, [...some.keys()]);
    const settled = new Set<Binary>();
    for await (const portion of judged(change, context, pairs, { digests: true })) {
      for (const one of portion) {
        const { source } = one.pair;
        if (stateOf(one) !== some.get(source)!.state || !await write(context, one, keep)) continue;
        settled.add(source);
      }
    }
    if (keep === "original") await convertAfter(context, [...settled].map((key) => targetOf(pairs, key)));
    resolved += settled.size;
    for (const { source, key } of some.values()) {
      if (!settled.has(source)) issues.push(`${key}: left alone, it has changed since it was shown`);
    }
  }
  return { resolved, issues };
}

function targetOf(
  pairs: readonly { readonly source: Binary; readonly target: Binary }[],
  key: Binary,
): Binary {
  return pairs.find(({ source }) => source === key)!.target;
}

/** @returns False when one of the two has changed meanwhile. */
async function write(
  { store, fence }: WriteContext,
  { pair: { source, target }, original, copy }: JudgedPair<{ source: Binary; target: Binary; kind: string }>,
  keep: Keep,
): Promise<boolean> {
  const [from, to] = keep === "original" ? [source, target] : [target, source];
  const [chosen, other] = keep === "original" ? [original, copy] : [copy, original];
  if (chosen === null) {
    return await store.write(REPLACE_OWN, [toArgument(to)], [other!.digest, "", "0"], fence) === "1";
  }
  const read = await store.evaluate(READ_WHOLE, [toArgument(from)], []) as [Buffer, Buffer] | null;
  if (read === null || createHash("sha1").update(read[0]).digest("hex") !== chosen.digest) return false;
  const [dump, endsAt] = [read[0], fromBytes(read[1])];
  if (other === null) return await store.write(RESTORE_NEW, [toArgument(to)], [dump, endsAt], fence) === "c";
  return await store.write(REPLACE_OWN, [toArgument(to)], [other.digest, dump, endsAt], fence) === "1";
}

/** What both forms were, for a later look to tell whether they still are. */
function stateOf({ original, copy }: Pick<JudgedPair<never>, "original" | "copy">): string {
  const of = (content: Content | null) =>
    content === null ? "-" : `${content.digest}/${content.endsAt ?? "never"}`;
  return `${of(original)} ${of(copy)}`;
}

function show(
  change: CopyChange,
  { pair: { source, target }, original, copy }: JudgedPair<{ source: Binary; target: Binary; kind: string }>,
  fault: string | null,
  whole: boolean,
): RedisDifference {
  const names = new Set([...original.fields?.keys() ?? [], ...copy?.fields?.keys() ?? []]);
  const value = (content: Content | null, name: Binary) => {
    const found = content?.fields?.get(name);
    if (found === undefined) return null;
    if (change.secrets?.includes(name) === true) return `hidden, ${found.length} bytes`;
    const text = display(found);
    return text.length > SHOWN_VALUE ? `${text.slice(0, SHOWN_VALUE)}...` : text;
  };
  const fields = [...names].filter((name) => original.fields?.get(name) !== copy?.fields?.get(name))
    .map((name) => ({ name: display(name), original: value(original, name), copy: value(copy, name) }));
  const ends = (content: Content | null) =>
    content === null ? null : content.endsAt === null ? "never" : new Date(content.endsAt).toISOString();
  if (copy !== null && original.endsAt !== copy.endsAt) {
    fields.push({ name: "(expires)", original: ends(original), copy: ends(copy) });
  }
  if (original.fields === null || (copy !== null && copy.fields === null)) {
    fields.push({ name: "(type)", original: original.type, copy: copy?.type ?? null });
  }
  return {
    source,
    key: display(source),
    copy: display(target),
    hasCopy: copy !== null,
    fault,
    fields: whole ? fields : [],
    state: stateOf({ original, copy }),
  };
}
