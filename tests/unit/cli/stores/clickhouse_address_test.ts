import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { clickhouseIdentity, connectClickHouse } from "../../../../cli/stores/clickhouse.ts";
import { httpAddress, parseClickHouseAddress } from "../../../../cli/stores/clickhouse_address.ts";
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

Deno.test("httpAddress() finds the HTTP interface beside the port that Outpost's server is given", () => {
  const addresses = [
    "ch:9000",
    "[::1]:9440",
    "me:pw@ch:9000/",
    "ch:8123",
    "ch:19000",
    "ch",
    "http://ch:9000",
  ];
  assertEquals(addresses.map(httpAddress), [
    ...["ch:8123", "[::1]:8443", "me:pw@ch:8123", "ch:8123", "ch:19000", "ch"],
    "http://ch:9000", // Said in so many words.
  ]);
});

Deno.test("an address that is named as that of HTTP is asked as it is, at whatever port", async () => {
  for (
    const [name, port] of [["CLICKHOUSE_ADDR", 8123], ["CLICKHOUSE_HTTP_ADDR", 9000]] as const
  ) {
    const { stderr } = await runInProcess(["migrate", "status", "--sql-only"], {
      env: { [name]: "127.0.0.1:9000" },
    });
    assertStringIncludes(stderr, `127.0.0.1:${port} (${name})`);
  }
});

Deno.test("connectClickHouse() sends nothing in the clear where TLS is asked for", () => {
  const refused = () => connectClickHouse({ ...settings, addr: "http://ch:8123", tls: true });
  assertThrows(refused, SettingsError, "begins with http://");
});

Deno.test("no credentials of an address appear in what tells the store from another, nor in outpost config", async () => {
  const addr = "https://me:swordfish@ch:8443";
  const names = ["CLICKHOUSE_ADDR", "CLICKHOUSE_HTTP_ADDR"];
  assertEquals(clickhouseIdentity({ ...settings, addr }), "ch:8443/outpost");
  for (
    const [args, name] of [["config"], ["config", "--json"]].flatMap((one) =>
      names.map((name) => [one, name] as const)
    )
  ) {
    const { code, stdout } = await runInProcess(args, { env: { [name]: addr } });
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
