import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { resolveSettings } from "../../../../cli/settings/resolve.ts";
import { readSecretFiles } from "../../../../cli/settings/secret_files.ts";
import { runInProcess } from "../../../support/cli.ts";

async function withFiles(
  files: Readonly<Record<string, string | Uint8Array>>,
  work: (path: (name: string) => string) => Promise<void> | void,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const path = (name: string) => `${folder}/${name}`;
  try {
    for (const [name, content] of Object.entries(files)) {
      await Deno.writeFile(
        path(name),
        typeof content === "string" ? new TextEncoder().encode(content) : content,
      );
    }
    await work(path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function settingsOf(env: Readonly<Record<string, string>>) {
  const resolved = resolveSettings({ flags: new Map(), env, file: null, secretFiles: readSecretFiles(env) });
  return Object.fromEntries(resolved.map((setting) => [setting.key, setting]));
}

Deno.test("*_FILE names a file that holds the secret alone", async () => {
  await withFiles({ r: "swordfish\n", c: "a b\r\n", u: "postgres://u@h/d\n", p: "p@ss/wörd" }, (path) => {
    const settings = settingsOf({
      REDIS_PASSWORD_FILE: path("r"),
      CLICKHOUSE_PASSWORD_FILE: path("c"),
      POSTGRES_URL_FILE: path("u"),
      POSTGRES_PASSWORD_FILE: path("p"),
    });
    assertEquals(settings.redisPassword!.value, "swordfish");
    assertEquals(settings.redisPassword!.origin, {
      kind: "file",
      name: "REDIS_PASSWORD_FILE",
      file: path("r"),
    });
    assertEquals(settings.clickhousePassword!.value, "a b");
    assertEquals(settings.postgresUrl!.value, "postgres://u@h/d?password=p%40ss%2Fw%C3%B6rd");
  });
});

Deno.test("*_FILE is refused where it contradicts another setting or holds no secret, and shows nothing of it", async () => {
  await withFiles({ s: "swordfish", empty: "\n", bytes: new Uint8Array([0xff, 0xfe]) }, async (path) => {
    const cases: [Record<string, string>, string][] = [
      [{ REDIS_PASSWORD_FILE: path("s"), REDIS_PASSWORD: "x" }, "contradicts REDIS_PASSWORD"],
      [{ REDIS_PASSWORD_FILE: path("missing") }, "does not exist"],
      [{ REDIS_PASSWORD_FILE: path("empty") }, "is empty"],
      [{ CLICKHOUSE_PASSWORD_FILE: path("bytes") }, "is not text in UTF-8"],
      [{ CLICKHOUSE_PASSWORD_FILE: path(".") }, "is no file"],
      [{ POSTGRES_URL_FILE: path("s") }, "must be a URL"],
      [
        { POSTGRES_PASSWORD_FILE: path("s"), POSTGRES_URL: "postgres://u:swordfish@h/d" },
        "contradicts the password in POSTGRES_URL",
      ],
    ];
    for (const [env, reason] of cases) {
      const { code, stdout, stderr } = await runInProcess(["config"], { env });
      assertEquals(code, 2, reason);
      assertStringIncludes(stderr, reason);
      assert(!`${stdout}${stderr}`.includes("swordfish"));
    }
  });
});
