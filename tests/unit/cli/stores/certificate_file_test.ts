import { assertEquals, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { readCertificateFile } from "../../../../cli/stores/certificate_file.ts";
import { connectPostgres } from "../../../../cli/stores/postgres/client.ts";
import { connectRedis } from "../../../../cli/stores/redis.ts";

const REDIS = {
  ...{ host: "127.0.0.1", port: 6379, username: "", password: "", database: 0, cluster: false },
  ...{ tls: true, tlsInsecure: false, clusterHostOverride: false },
};

Deno.test("certificates are read from files, and no pipe is waited for", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const [file, pipe] = [`${folder}/ca.pem`, `${folder}/pipe`];
    await Deno.writeTextFile(file, "certificates");
    assertEquals(readCertificateFile(file), "certificates");
    assertEquals((await new Deno.Command("mkfifo", { args: [pipe] }).output()).code, 0);
    assertThrows(
      () => connectRedis({ ...REDIS, tlsCa: pipe }),
      SettingsError,
      `Cannot read the Redis certificates "${pipe}": it is no ordinary file`,
    );
    assertThrows(
      () => connectPostgres(`postgres://me@db/outpost?sslmode=verify-full&sslrootcert=${pipe}`),
      SettingsError,
      "the file of sslrootcert cannot be read (it is no ordinary file)",
    );
    assertThrows(() => connectRedis({ ...REDIS, tlsCa: folder }), SettingsError, "it is a directory");
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
