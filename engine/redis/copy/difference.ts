/**
 * How two forms of a record that differ are shown, and known again later. Pure.
 *
 * @module
 */

import { createHash } from "node:crypto";
import type { RedisDifference } from "../../redis_backend.ts";
import { type Binary, display } from "../binary.ts";
import type { CopyChange, ListKeys } from "./change.ts";
import type { Content } from "./content.ts";
import type { JudgedPair } from "./weigh.ts";

/** Of a value, so many characters are shown. */
const SHOWN_VALUE = 60;

const NOTHING: ReadonlyMap<Binary, Binary> = new Map();

/** What both forms were, for a later look to tell whether they still are. */
export function stateOf({ original, copy }: Pick<JudgedPair<never>, "original" | "copy">): string {
  return [original, copy].map((content) => content === null ? "-" : digestOf(content)).join(" ");
}

/** By what it holds and when it ends: a server may store the same hash in another order each time that it is read. */
function digestOf({ type, fields, fieldEnds, members, endsAt }: Content): string {
  const told = [fields ?? NOTHING, fieldEnds].map((map) => [...map].sort(([a], [b]) => a < b ? -1 : 1));
  return createHash("sha1").update(JSON.stringify([type, ...told, members, endsAt])).digest("hex");
}

/**
 * Tells a pair for people.
 *
 * @param deletable True where its original may go though there is no copy.
 * @param whole False for its keys alone, without its fields.
 */
export function show(
  change: CopyChange,
  { pair: { source, target }, original, copy }: JudgedPair<ListKeys>,
  fault: string | null,
  deletable: boolean,
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
    deletable: copy !== null || deletable,
    fault,
    fields: whole ? fields : [],
    state: stateOf({ original, copy }),
  };
}
