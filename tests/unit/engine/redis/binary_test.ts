import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  decodeText,
  display,
  encodeText,
  escapePattern,
  fromBytes,
  toArgument,
} from "../../../../engine/redis/binary.ts";

Deno.test("fromBytes() and toArgument() keep every byte", () => {
  fc.assert(fc.property(fc.uint8Array(), (bytes) => {
    assertEquals(Buffer.from(toArgument(fromBytes(bytes))), Buffer.from(bytes));
  }));
  assertInstanceOf(toArgument("\xff"), Buffer);
  assertThrows(() => toArgument("日本"), TypeError, "encodeText()");
  assertEquals(toArgument("plain"), "plain");
});

Deno.test("decodeText() gives back what encodeText() was given, and null for what is no UTF-8", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
    assertEquals(decodeText(encodeText(text)), text);
  }));
  assertEquals(encodeText("Zoë"), "Zo\xc3\xab");
  assertEquals(decodeText("a\xff"), null);
});

Deno.test("display() shows UTF-8 and escapes what is not", () => {
  assertEquals(display(encodeText("日本 ü")), "日本 ü");
  assertEquals(display("a\xff\xfe\nb"), "a\\xff\\xfe\\x0ab");
  assertEquals(display("\x1b[31m"), "\\x1b[31m");
});

Deno.test("escapePattern() leaves no wildcard", () => {
  assertEquals(escapePattern("a*b?[c]\\^-d"), "a\\*b\\?\\[c\\]\\\\\\^\\-d");
});
