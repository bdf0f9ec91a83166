import { assertEquals } from "@std/assert";
import type { Content } from "../../../../../engine/redis/copy/content.ts";
import { judge, type Rules } from "../../../../../engine/redis/copy/verdict.ts";
import { redisMigrations } from "../../../../../migrations/redis.ts";

const [hashTags, ...later] = redisMigrations("");
const rules: Rules = {
  change: hashTags!.change as Rules["change"],
  later: later.flatMap(({ change }) => change.type === "transform" ? [change] : []),
  beganAt: new Date("2025-01-01T00:00:00Z"),
  doneSince: null,
  drifts: false,
};
const TARGET = "tenant:{t}:tenant";

function hash(fields: Readonly<Record<string, string>>): Content {
  return {
    type: "hash",
    fields: new Map(Object.entries(fields)),
    fieldEnds: new Map(),
    members: "",
    digest: "",
    endsAt: null,
  };
}

const verdict = (original: Record<string, string>, copy: Record<string, string>) =>
  judge(rules, TARGET, hash(original), hash(copy));

Deno.test("judge() takes a repair of what could not be converted for no difference, and anything else beside it for one", () => {
  const original = { id: "t", created_at: "next tuesday", updated_at: "yesterday", name: "Ada" };
  assertEquals(verdict(original, { ...original }), "same");
  // Repaired, of either form, in one field or in both.
  assertEquals(verdict(original, { ...original, created_at: "2024-01-15T10:30:00Z" }), "same");
  const repaired = { ...original, created_at: "1705314600000", updated_at: "1705314600000" };
  assertEquals(verdict(original, repaired), "same");
  assertEquals(verdict(original, { ...repaired, entity: "tenant" }), "same");
  // Another write, of whichever application, is none of that.
  assertEquals(verdict(original, { ...repaired, name: "Grace" }), "different");
  assertEquals(verdict({ ...original, secret: "rotated" }, repaired), "different");
  // A value that could be converted is not repaired but changed: nothing tells that it was later.
  const sound = { id: "t", created_at: "2024-01-15T10:30:00Z" };
  assertEquals(verdict(sound, { id: "t", created_at: "1705314600000" }), "same");
  assertEquals(verdict(sound, { id: "t", created_at: "1605314600000" }), "different");
});

Deno.test("judge() takes a copy for newer that lacks no more than what the application takes away by itself", () => {
  const times = { created_at: "2024-01-15T10:30:00Z", updated_at: "2024-01-16T10:30:00Z" };
  const disabled = { id: "d", ...times, disabled_at: "2024-01-17T10:30:00Z" };
  const now = { id: "d", created_at: "1705314600000", updated_at: "1755314600000" };
  // Enabled since, or made anew: one that was disabled, or deleted, before.
  assertEquals(verdict(disabled, now), "newer");
  const deleted = { id: "d", ...times, deleted_at: disabled.disabled_at };
  const anew = { ...now, created_at: now.updated_at };
  assertEquals(verdict(deleted, anew), "newer");
  assertEquals(verdict({ deleted_at: deleted.deleted_at }, anew), "newer");
  // Changed alone, by an application that nothing told of the deletion: that is not to undo it.
  assertEquals(verdict(deleted, now), "different");
  assertEquals(verdict({ deleted_at: deleted.deleted_at }, now), "different");
  // Nor does any other time than that of a change tell that it was enabled.
  assertEquals(
    verdict(disabled, { ...now, updated_at: "1705400000000", created_at: "1755314600000" }),
    "different",
  );
  assertEquals(verdict({ ...disabled, disabled_at: "never" }, now), "different");
  // No application takes the other times away, or anything else: that is another record.
  const { created_at: _created, ...unborn } = now;
  assertEquals(verdict(disabled, unborn), "different");
  const { updated_at: _updated, ...untouched } = { ...now, disabled_at: "2025-08-16T03:23:20Z" };
  assertEquals(verdict(disabled, untouched), "different");
  assertEquals(verdict({ ...disabled, metadata: "{}" }, now), "different");
});

Deno.test("judge() takes two ends for one only where moves of slots make them drift, or nobody tells them exactly", () => {
  const tombstone = (endsAt: number | null) => ({ ...hash({ deleted_at: "1900000000000" }), endsAt });
  const verdicts = (drifts: boolean, ends: readonly (number | null)[], roughly = {}) =>
    ends.map((end) =>
      judge({ ...rules, drifts }, TARGET, { ...tombstone(1900604800000), ...roughly }, tombstone(end))
    );
  const ends = [1900604800000, 1900604800001, 1900604802000, 1900604802001, null];
  const exactly = ["same", "different", "different", "different", "different"];
  const drifting = ["same", "same", "same", "different", "different"];
  assertEquals(verdicts(false, ends), exactly);
  assertEquals(verdicts(true, ends), drifting);
  assertEquals(verdicts(false, ends, { endsRoughly: true }), drifting);
});
