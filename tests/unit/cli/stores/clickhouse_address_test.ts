import { assert, assertEquals, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { clickhouseIdentity, connectClickHouse } from "../../../../cli/stores/clickhouse.ts";
import { parseClickHouseAddress } from "../../../../cli/stores/clickhouse_address.ts";
import { runInProcess } from "../../../support/cli.ts";

const settings = { username: "", password: "", database: "outpost", tls: false };

Deno.test("parseClickHouseAddress() reads host, port, scheme and credentials", () => {
  assertEquals(parseClickHouseAddress("ch:8123"), {
    encrypted: null,
    place: "ch:8123",
    username: null,
    password: null,
  });
  assertEquals(parseClickHouseAddress("https://me:p%40ss@[::1]:8443/"), {
    encrypted: true,
    place: "[::1]:8443",
    username: "me",
    password: "p@ss",
  });
});

Deno.test("parseClickHouseAddress() refuses what the client would take for settings, and shows nothing of it", () => {
  for (
    const address of [
      "ch:8123?password=SECRET",
      "http://ch:8123/SECRET",
      "http://u:SECRET/x@ch",
      "http://u:SE@SECRET@ch",
      "tcp://u:SECRET@ch",
      "ch:8123#SECRET",
      "ch SECRET",
    ]
  ) {
    const error = assertThrows(() => parseClickHouseAddress(address), SettingsError);
    assert(!Deno.inspect(error).includes("SECRET"), address);
  }
});

Deno.test("connectClickHouse() sends nothing in the clear where TLS is asked for", () => {
  const refused = () => connectClickHouse({ ...settings, addr: "http://ch:8123", tls: true });
  assertThrows(refused, SettingsError, "begins with http://");
});

Deno.test("no credentials of an address appear in what tells the store from another, nor in outpost config", async () => {
  const addr = "https://me:swordfish@ch:8443";
  assertEquals(clickhouseIdentity({ ...settings, addr }), "ch:8443/outpost");
  for (const args of [["config"], ["config", "--json"]]) {
    const { code, stdout } = await runInProcess(args, { env: { CLICKHOUSE_ADDR: addr } });
    assertEquals(code, 0);
    assert(stdout.includes("https://me:[hidden]@ch:8443") && !stdout.includes("swordfish"), stdout);
  }
});

Deno.test("outpost config refuses a URL as the host of Redis, and shows no part of it", async () => {
  for (const host of ["redis://:swordfish@redis:6379", "me:swordfish@redis", "redis/swordfish", "a b"]) {
    const { code, stdout, stderr } = await runInProcess(["config"], { env: { REDIS_HOST: host } });
    assertEquals(code, 2);
    assert(stderr.includes("REDIS_HOST must be the name or the address of a host"), stderr);
    assert(!`${stdout}${stderr}`.includes("swordfish"));
  }
});
