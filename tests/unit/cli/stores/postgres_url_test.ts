import { assert, assertEquals, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { parsePostgresUrl } from "../../../../cli/stores/postgres/url.ts";

const parsed = (url: string) => {
  const { parameters, ...rest } = parsePostgresUrl(url);
  return { ...rest, parameters: Object.fromEntries(parameters) };
};

Deno.test("parsePostgresUrl() reads every part", () => {
  assertEquals(parsed("postgres://me:secret@db.example:5433/log?sslmode=require&search_path=a%2Cb"), {
    hosts: [{ host: "db.example", port: 5433 }],
    user: "me",
    password: "secret",
    database: "log",
    parameters: { sslmode: "require", search_path: "a,b" },
  });
  assertEquals(parsed("postgresql://"), {
    hosts: [{ host: "localhost", port: 5432 }],
    user: null,
    password: null,
    database: null,
    parameters: {},
  });
});

Deno.test("parsePostgresUrl() reads several hosts, addresses and folders of sockets", () => {
  const hosts = (url: string) => parsePostgresUrl(url).hosts;
  assertEquals(hosts("postgres://a:1,b,c:3/d"), [{ host: "a", port: 1 }, { host: "b", port: 5432 }, {
    host: "c",
    port: 3,
  }]);
  assertEquals(hosts("postgres://[::1]:6000/d"), [{ host: "::1", port: 6000 }]);
  assertEquals(hosts("postgres://u@%2Fvar%2Frun:6000/d"), [{ host: "/var/run", port: 6000 }]);
  assertEquals(hosts("postgres:///d?host=/tmp&port=7000"), [{ host: "/tmp", port: 7000 }]);
  assertEquals(hosts("postgres:///d?host=a,b&port=1,2"), [{ host: "a", port: 1 }, { host: "b", port: 2 }]);
});

Deno.test("parsePostgresUrl() takes passwords encoded and, where it can be told, as they are", () => {
  const password = (url: string) => parsePostgresUrl(url).password;
  assertEquals(password("postgres://u:p%40ss%2Fw%3Frd%23%25@h/d"), "p@ss/w?rd#%");
  assertEquals(password("postgres://u:p@ss#w:rd%@h/d"), "p@ss#w:rd%");
  assertEquals(password("postgres://u:@h/d"), "");
  assertEquals(password("postgres://h/d?user=u&password=p%26"), "p&");
});

Deno.test("parsePostgresUrl() refuses what it cannot read, and never shows the password", () => {
  for (
    const url of [
      "mysql://u:SECRET@h/d",
      "host=h password=SECRET",
      "postgres://u:SECRET/x@h/d",
      "postgres://u:SECRET?x@h/d",
      "postgres://u:SECRET@h:port/d",
      "postgres://u:SECRET@h:70000/d",
      "postgres://u:SECRET@h h/d",
      "postgres://u:SECRET@h/d?novalue",
      "",
    ]
  ) {
    const error = assertThrows(() => parsePostgresUrl(url), SettingsError);
    assert(!Deno.inspect(error).includes("SECRET"), url);
  }
});
