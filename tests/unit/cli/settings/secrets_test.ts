import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import fc from "fast-check";
import { HIDDEN } from "../../../../cli/output/scrub.ts";
import { makeScrub } from "../../../../cli/settings/secrets.ts";
import { shownPostgresUrl } from "../../../../cli/stores/postgres/shown_url.ts";
import { runInProcess } from "../../../support/cli.ts";

// The clients' own timers outlive a connection that was refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

/** Passwords that people and generators make: long enough to be told from the words around them. */
const passwords = fc.string({ unit: "binary", minLength: 6, maxLength: 24 })
  .map((text) => text.replace(/[\s\0]/g, "_"))
  .filter((text) => !/^_+$/.test(text) && text.isWellFormed());

Deno.test("makeScrub() removes every form in which a client may repeat a secret", () => {
  fc.assert(fc.property(passwords, passwords, (redis, postgres) => {
    const scrub = makeScrub({
      redisPassword: redis,
      postgresUrl: `postgres://u:${encodeURIComponent(postgres)}@h/d`,
    });
    for (const secret of [redis, postgres]) {
      for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) {
        const left = scrub(`Cannot log in with ${form}, said the server`);
        assert(!left.includes(secret) && !left.includes(form), left);
      }
    }
  }));
});

Deno.test("makeScrub() removes a password that a URL writes with plus signs for its spaces", () => {
  const scrub = makeScrub({ postgresUrl: "postgres://u@h/d?password=long+secret+word" });
  for (const form of ["long secret word", "long+secret+word", "long%20secret%20word"]) {
    assertEquals(scrub(`Cannot log in with ${form}`), `Cannot log in with ${HIDDEN}`);
  }
});

Deno.test("makeScrub() removes passwords from any URL, whatever the settings", () => {
  assertEquals(
    makeScrub({})("at postgres://me:pass@host/db and redis://:pw@h:1 and https://host/x@y"),
    `at postgres://me:${HIDDEN}@host/db and redis://:${HIDDEN}@h:1 and https://host/x@y`,
  );
});

Deno.test("makeScrub() leaves words alone that messages use anyway", () => {
  const scrub = makeScrub({ redisPassword: "redis", clickhousePassword: "ab" });
  assertEquals(scrub("outpost reads redis/002 about ab"), `outpost reads redis/002 about ${HIDDEN}`);
});

Deno.test("makeScrub() removes a secret that holds another one as a whole", () => {
  assertEquals(
    makeScrub({ redisPassword: "abcdef", clickhousePassword: "abcdefghi" })("x abcdefghi y"),
    `x ${HIDDEN} y`,
  );
});

Deno.test("shownPostgresUrl() shows what may be shown, and nothing that was not understood", () => {
  assertEquals(
    shownPostgresUrl("postgres://me:pw@h1:1,h2:2/db?sslmode=require"),
    `postgres://me:${HIDDEN}@h1:1,h2:2/db?sslmode=require`,
  );
  assertEquals(
    shownPostgresUrl("postgres://me@h/db?p%61ssword=pw&options=-c%20a.b%3Dpw&search_path=x%2Cy&a=pw&pw=1"),
    `postgres://me@h/db?password=${HIDDEN}&options=${HIDDEN}&search_path=x,y&${HIDDEN}&${HIDDEN}`,
  );
  assertEquals(shownPostgresUrl("postgres://h/db"), "postgres://h/db");
  assertEquals(
    shownPostgresUrl("postgres://u%0a:pw@%2Fvar%2Frun:6000/d"),
    `postgres://u%0A:${HIDDEN}@%2Fvar%2Frun:6000/d`,
  );
  for (const url of ["nonsense", "postgres://u:a@1/pw@h/d", "redis://:pw@h"]) {
    assertEquals(shownPostgresUrl(url), HIDDEN);
  }
});

Deno.test("makeScrub() removes parts of a secret, and forms that headers and other character sets give it", () => {
  const secret = "pässwörd-Zq7Xk9Wm";
  const scrub = makeScrub({ clickhousePassword: secret });
  const latin1 = new TextDecoder("latin1").decode(new TextEncoder().encode(secret));
  const header = btoa(String.fromCharCode(...new TextEncoder().encode(`me:${secret}`)));
  for (const text of [secret.slice(3, 14), `${secret.slice(0, 9)}…`, latin1, header, secret.slice(-6)]) {
    const left = scrub(`said: ${text} and more`);
    for (const form of [secret, latin1, header]) {
      for (let at = 0; at + 6 <= form.length; at++) {
        assert(!left.includes(form.slice(at, at + 6)), `${left} holds a part of ${form}`);
      }
    }
    assertStringIncludes(left, "and more");
  }
});

Deno.test("makeScrub() takes time in proportion to the text, whatever the text is", () => {
  const scrub = makeScrub({ redisPassword: "aaaaaaaaaaaaaaab", postgresUrl: "postgres://u:://::@h/d" });
  for (const piece of ["a", "://", "a://", "a://b:", "aaaaaaaaaaaaaaa", "x:y@"]) {
    // Where it took the square of it, this would take hours.
    assert(scrub(piece.repeat(2_000_000 / piece.length)).length > 0);
  }
});

Deno.test("logs and results stay JSON, and say what they say, with any password", quietly, async () => {
  const chosen = ["null", "level", "true", `"`, "\\", "{", "message", "12", "code", "e"];
  // Side by side: each tries for a while to reach what is not there.
  await Promise.all(chosen.map(async (password) => {
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: "1", REDIS_PASSWORD: password };
    const args = ["migrate", "status", "--redis-only"];
    const { stdout } = await runInProcess([...args, "--json"], { env });
    assertEquals(Object.keys(JSON.parse(stdout).error), ["code", "message", "hint", "docs"]);
    const { stderr } = await runInProcess([...args, "--log-format", "json"], { env });
    const lines = stderr.trim().split("\n").map((line) => JSON.parse(line));
    assertEquals(lines.map(({ level, code }) => [level, code]), [["error", "store_unreachable"]]);
  }));
});

Deno.test("no command prints a password, neither in text nor in JSON", quietly, async () => {
  const lines = [
    "config",
    "config --json",
    "migrate status",
    "migrate list --json",
    "migrate apply --yes --log-format json",
  ];
  await fc.assert(
    fc.asyncProperty(passwords, fc.constantFrom(...lines), async (password, line) => {
      const env = {
        REDIS_HOST: "127.0.0.1",
        REDIS_PORT: "1",
        REDIS_PASSWORD: `r${password}`,
        CLICKHOUSE_PASSWORD: `c${password}`,
        POSTGRES_URL: `postgres://u:${encodeURIComponent(`p${password}`)}@127.0.0.1:1/d?sslpassword=s${
          encodeURIComponent(password)
        }`,
      };
      const flags = line.includes("apply") ? ["--sql-only", "--verbose"] : [];
      const { stdout, stderr } = await runInProcess([...line.split(" "), ...flags], { env });
      for (const form of [password, encodeURIComponent(password), JSON.stringify(password).slice(1, -1)]) {
        assert(!stdout.includes(form) && !stderr.includes(form), `${stdout}${stderr}`);
      }
    }),
    { numRuns: 30 },
  );
});
