import { assertEquals } from "@std/assert";
import type { Facts } from "../../../../engine/redis/facts.ts";
import { legacyKeys } from "../../../../migrations/redis/legacy_keys.ts";

const NONE: Facts = { type: "none", values: [null, null] };
const TOMBSTONE: Facts = { type: "hash", values: [null, "1900000000000"] };

/** Judges a key among records. */
function judge(key: string, records: Readonly<Record<string, Facts>>): string | null {
  return legacyKeys.judge(key, records[key]!, (other) => records[other] ?? NONE)?.target ?? null;
}

const named = (id: string): Facts => ({ type: "hash", values: [id, null] });

Deno.test("judge() leaves a current destination alone beside what is left of one whose ID is the beginning of its own", () => {
  const key = "tenant:{t}:destination:d:e";
  const deleted = { "tenant:{t}:destination:d": TOMBSTONE };
  assertEquals(judge(key, { ...deleted, [key]: named("d:e") }), null);
  // Nor is what hangs on it: nobody's, or the application's own.
  assertEquals(judge(key, { ...deleted, [key]: { type: "set", values: [null, null] } }), null);
  assertEquals(judge(key, { ...deleted, [key]: named("somebody else") }), null);
});

Deno.test("judge() takes it for one of a tenant with a braced ID where that tenant was, whatever is left of it", () => {
  const key = "tenant:{t}:destination:d:e";
  for (const owner of ["tenant:{t}", "tenant:{{t}}:tenant"]) {
    for (const left of [named("{t}"), TOMBSTONE]) {
      assertEquals(judge(key, { [owner]: left, [key]: named("d:e") }), "tenant:{{t}}:destination:d:e");
    }
  }
});

Deno.test("judge() takes what is left of a tenant for that also where its ID begins with that of a braced one", () => {
  const deleted = { "tenant:{x}": named("{x}"), "tenant:{x}:y": TOMBSTONE };
  assertEquals(judge("tenant:{x}:y", deleted), "tenant:{{x}:y}:tenant");
  assertEquals(judge("tenant:{x}:y", { "tenant:{x}:y": TOMBSTONE }), "tenant:{{x}:y}:tenant");
  // Beside a tenant `x` it may be anything that hangs on that.
  assertEquals(judge("tenant:{x}:y", { ...deleted, "tenant:{x}:tenant": named("x") }), null);
  // A current form has it for another: a destination, and a tenant.
  const left = { "tenant:{x}:destination:d": TOMBSTONE, "tenant:{x}:tenant": TOMBSTONE };
  const braced = { "tenant:{x}": named("{x}"), ...left };
  assertEquals(judge("tenant:{x}:destination:d", braced), "tenant:{{x}}:destination:d");
  assertEquals(judge("tenant:{x}:tenant", left), null);
});

Deno.test("questions() asks about a bounded number of bytes for each of a key, and what it leaves out is never deleted", () => {
  const suffix = ":x".repeat(5000);
  for (const key of [`tenant:t${suffix}`, `tenant:{t}${suffix}`, `destination_summary:t${suffix}`]) {
    const list: Facts = { type: "list", values: [null, null] };
    const asked = legacyKeys.questions!(key, list);
    assertEquals(asked.length > 64 && asked.length < 300, true, `${asked.length} for ${key.slice(0, 20)}`);
    const known = (other: string) =>
      other === "tenant:t" || other === "tenant:{t}" ? named(other.slice(7)) : NONE;
    assertEquals(legacyKeys.judge(key, list, known)?.ambiguous, true);
  }
});

Deno.test("likely() guesses where the records of a plain tenant go, and nothing for what is current or not plain", () => {
  const decide = (key: string, id: string | null) => legacyKeys.decide!(key, [id, null], false);
  for (const id of ["d", "d:1", "{d}", "d\n"]) {
    const key = `tenant:t:destination:${id}`;
    assertEquals(decide(key, id), { target: legacyKeys.likely!(key)!, kind: "destinations" });
  }
  assertEquals(decide("tenant:t", "t"), { target: legacyKeys.likely!("tenant:t")!, kind: "tenants" });
  const list = "tenant:t:destinations";
  assertEquals(decide(list, null), { target: legacyKeys.likely!(list)!, kind: "summaries" });
  for (const key of ["tenant:{t}:tenant", "tenant:a{t}", "tenant:", "destination_summary:t:d", "other"]) {
    assertEquals(legacyKeys.likely!(key), null);
  }
});
