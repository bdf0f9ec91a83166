import { assertEquals } from "@std/assert";
import fc from "fast-check";
import { LONGEST_ANSWER, ReplyFollower } from "../../../../cli/stores/redis_guard.ts";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));

/** What is said of a conversation that comes whole, and that comes byte by byte. */
function verdicts(text: string, asked: number): readonly (string | null)[] {
  const whole = new ReplyFollower().follow(bytes(text), asked);
  const follower = new ReplyFollower();
  const pieces = [...text].map((letter) => follower.follow(bytes(letter), asked));
  return [whole?.code ?? null, pieces.find((problem) => problem !== null)?.code ?? null];
}

/** One answer, of any kind and depth. */
const { reply } = fc.letrec<{ reply: string }>((tie) => ({
  reply: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      "+OK\r\n",
      "-ERR no\r\n",
      ":-12\r\n",
      "$-1\r\n",
      "*-1\r\n",
      "*0\r\n",
      "_\r\n",
      ",1.5\r\n",
      "#t\r\n",
    ),
    fc.string({ unit: "binary-ascii" }).map((text) => `$${text.length}\r\n${text}\r\n`),
    fc.array(tie("reply"), { maxLength: 4 }).map((parts) => `*${parts.length}\r\n${parts.join("")}`),
    fc.array(fc.tuple(tie("reply"), tie("reply")), { maxLength: 3 })
      .map((pairs) => `%${pairs.length}\r\n${pairs.flat().join("")}`),
  ),
}));

Deno.test("ReplyFollower lets every answer pass that was asked for, and none beyond", () => {
  fc.assert(
    fc.property(fc.array(reply, { minLength: 1, maxLength: 5 }), (replies) => {
      const text = replies.join("");
      assertEquals(new ReplyFollower().follow(bytes(text), replies.length), null);
      assertEquals(new ReplyFollower().follow(bytes(text), replies.length - 1)?.code, "EPROTO");
      const follower = new ReplyFollower();
      const half = Math.floor(text.length / 2);
      for (const part of [text.slice(0, half), text.slice(half)]) {
        assertEquals(follower.follow(bytes(part), replies.length), null);
      }
    }),
    { numRuns: 300, seed: 1 },
  );
});

Deno.test("ReplyFollower ends what has no end, or makes no sense", () => {
  for (
    const [text, code] of [
      [`$${LONGEST_ANSWER + 1}\r\n`, "EMSGSIZE"],
      ["*2147483647\r\n", "EMSGSIZE"],
      ["*1\r\n".repeat(40), "EMSGSIZE"],
      ["+" + "x".repeat(70_000), "EMSGSIZE"],
      ["HTTP/1.1 400 Bad Request\r\n", "EPROTO"],
      [">2\r\n+a\r\n+b\r\n", "EPROTO"],
      ["$x\r\n", "EPROTO"],
      ["\r\n", "EPROTO"],
    ] as const
  ) {
    assertEquals(verdicts(text, 1), [code, code], text.slice(0, 20));
  }
});

Deno.test("ReplyFollower counts the parts of one answer together", () => {
  const follower = new ReplyFollower();
  const text = bytes(`$1000000\r\n${"x".repeat(1_000_000)}\r\n`);
  assertEquals(follower.follow(bytes("*1000\r\n"), 1), null);
  let parts = 0;
  while (follower.follow(text, 1) === null) parts++;
  assertEquals(parts, Math.floor(LONGEST_ANSWER / 1_000_012));
});
