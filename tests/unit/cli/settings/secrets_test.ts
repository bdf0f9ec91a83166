import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { HIDDEN, hideUrl, makeScrub } from "../../../../cli/settings/secrets.ts";
import { runInProcess } from "../../../support/cli.ts";

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

Deno.test("hideUrl() shows everything but the password", () => {
  assertEquals(
    hideUrl("postgres://me:pw@h1:1,h2:2/db?sslmode=require"),
    `postgres://me:${HIDDEN}@h1:1,h2:2/db?sslmode=require`,
  );
  assertEquals(hideUrl("postgres://me@h/db?password=pw&a=b"), `postgres://me@h/db?password=${HIDDEN}&a=b`);
  assertEquals(hideUrl("postgres://h/db"), "postgres://h/db");
  assertEquals(hideUrl("nonsense"), HIDDEN);
});

// The clients' own timers outlive a connection that was refused.
const quietly = { sanitizeOps: false, sanitizeResources: false };

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
