import { assertEquals, assertRejects } from "@std/assert";
import { InterruptedError } from "../../../../../engine/errors.ts";
import { WalkPart } from "../../../../../engine/redis/walk/part.ts";
import { WalkGroup } from "../../../../../engine/redis/walk/walk_group.ts";

const partOf = (signal = new AbortController().signal) =>
  new WalkPart({ pattern: "*", signal, visit: () => Promise.resolve() });

/** A group whose walks end at once, and how many took part in each. */
function groupOf(...members: object[]) {
  const group = new WalkGroup();
  for (const member of members) group.enter(member);
  const walks: number[] = [];
  const walk = (member: object, part = partOf()) =>
    group.walk(member, part, (parts) => {
      walks.push(parts.length);
      for (const one of parts) one.end(null);
    });
  return { group, walks, walk };
}

Deno.test("WalkGroup walks once all that are at work want to, and at once for somebody by himself", async () => {
  const [one, other] = [{}, {}];
  const { group, walks, walk } = groupOf(one, other);
  const first = walk(one);
  assertEquals(walks, []);
  await Promise.all([first, walk(other)]);
  assertEquals(walks, [2]);
  group.leave(other);
  await walk(one);
  assertEquals(walks, [2, 1]);
});

Deno.test("WalkGroup waits for nobody who left or stepped aside, and again for him who is back", async () => {
  const [one, other] = [{}, {}];
  const { group, walks, walk } = groupOf(one, other);
  const waiting = walk(one);
  const goBack = group.stepAside(other);
  await waiting;
  goBack();
  const again = walk(one);
  assertEquals([walks, group.size], [[1], 2]);
  group.leave(other);
  await again;
  assertEquals(walks, [1, 1]);
});

Deno.test("WalkPart that is stopped while it waits ends at once, and the walk is that of the others", async () => {
  const [one, other, stop] = [{}, {}, new AbortController()];
  const { walks, walk } = groupOf(one, other);
  const stopped = walk(one, partOf(stop.signal));
  stop.abort();
  await assertRejects(() => stopped, InterruptedError);
  await walk(other);
  assertEquals(walks, [2]);
});
