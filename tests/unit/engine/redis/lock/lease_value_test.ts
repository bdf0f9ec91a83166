import { assert, assertEquals } from "@std/assert";
import { decodeOwner, encodeLease, leasePrefix } from "../../../../../engine/redis/lock/lease_value.ts";

const state = {
  ...{ token: "abc", host: "web-1", pid: 12, version: "1.2.0", command: "apply", ttlMs: 30_000 },
  ...{ acquiredAt: new Date("2025-01-01T10:00:00Z"), migration: 'redis/"quoted"', progress: null },
};
const now = new Date("2025-01-01T10:05:00Z");
const unknown = {
  ...{ host: null, pid: null, version: null, command: null, migration: null, progress: null },
  ...{ acquiredAt: null, heartbeatAt: null, source: "name", alive: true },
};

Deno.test("encodeLease() writes JSON that begins with the token and that decodeOwner() reads back", () => {
  const value = encodeLease(state, now);
  assert(value.startsWith(leasePrefix("abc")));
  assert(!value.startsWith(leasePrefix("ab")));
  assertEquals(JSON.parse(value).heartbeat_at, "2025-01-01T10:05:00.000Z");
  const { token: _token, ttlMs: _ttlMs, ...told } = state;
  assertEquals(decodeOwner(new TextEncoder().encode(value), 29_000, "name"), {
    ...told,
    heartbeatAt: now,
    source: "name",
    alive: true,
  });
});

Deno.test("decodeOwner() takes the age of the heartbeat from the time that the key has left", () => {
  const value = new TextEncoder().encode(encodeLease(state, now));
  assertEquals(decodeOwner(value, 15_000, "name").alive, true);
  assertEquals(decodeOwner(value, 14_999, "name").alive, false);
  assertEquals(decodeOwner(value, -1, "name").alive, false);
});

Deno.test("decodeOwner() knows no more than the name of a lock that another tool holds", () => {
  const values = ["", "by hand", "{", "null", "12", '"text"', "[]", '{"host":"web-1"}', "7f3a9c"];
  for (const value of values) {
    assertEquals(decodeOwner(new TextEncoder().encode(value), 3_600_000, "name"), unknown, value);
  }
  assertEquals(decodeOwner(new Uint8Array([0xff, 0xfe, 0]), -1, "name"), unknown);
});

Deno.test("decodeOwner() leaves out fields of the wrong type", () => {
  const value = '{"token":"a","host":1,"pid":"12","acquired_at":"soon","heartbeat_at":5,"ttl_ms":"x"}';
  assertEquals(decodeOwner(new TextEncoder().encode(value), 1000, "name"), unknown);
});
