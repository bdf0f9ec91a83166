/** Who is told which answer. */

import { assertEquals, assertRejects } from "@std/assert";
import { askedTogether } from "../../../../engine/redis/asked_together.ts";

const one = {};

Deno.test("askedTogether() asks once for all who ask before it is sent, and anew for who asks while it is under way", async () => {
  const answers: ((answer: string) => void)[] = [];
  const ask = askedTogether((_of: object) => new Promise<string>((resolve) => answers.push(resolve)));
  const first = [ask(one), ask(one)];
  await Promise.resolve();
  assertEquals(answers.length, 1);
  const late = [ask(one), ask(one)];
  const another = ask({});
  await Promise.resolve();
  assertEquals(answers.length, 2); // Of another connection; the first one has to answer before it is asked again.
  answers[1]!("another");
  answers[0]!("before");
  assertEquals(await Promise.all([...first, another]), ["before", "before", "another"]);
  assertEquals(answers.length, 3);
  answers[2]!("after");
  assertEquals(await Promise.all(late), ["after", "after"]);
});

Deno.test("askedTogether() tells all who asked of a failure, and asks again", async () => {
  let asked = 0;
  const ask = askedTogether((_of: object) =>
    ++asked === 1 ? Promise.reject(new Error("gone")) : Promise.resolve(asked)
  );
  const [first, second] = [ask(one), ask(one)];
  await assertRejects(() => first, Error, "gone");
  await assertRejects(() => second, Error, "gone");
  assertEquals(await ask(one), 2);
});
