import { assert, assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { SettingsError } from "../../../../cli/errors.ts";
import { optionalPostgresUrl } from "../../../../cli/settings/types.ts";
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
  assertEquals(hosts("postgres://db:6000/d?hostaddr=10.0.0.1"), [{
    host: "db",
    port: 6000,
    address: "10.0.0.1",
  }]);
  assertEquals(hosts("postgres:///d?hostaddr=10.0.0.1"), [{
    host: "10.0.0.1",
    port: 5432,
    address: "10.0.0.1",
  }]);
});

Deno.test("parsePostgresUrl() takes passwords encoded and, where only one reading is possible, as they are", () => {
  const password = (url: string) => parsePostgresUrl(url).password;
  assertEquals(password("postgres://u:p%40ss%2Fw%3Frd%23%25@h/d"), "p@ss/w?rd#%");
  assertEquals(password("postgres://u:p#ss:w&rd%=@h/d"), "p#ss:w&rd%=");
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
      // An "@" or a "/" that is not encoded would make a host or a database of a part of the password.
      "postgres://u:p@SECRET@h/d",
      "postgres://u:SE@SECRET/RET@h/d",
      "postgres://u:a@1/SECRET@h/d",
      "postgres://u:a@1/SECRET/x@h/d",
      "postgres://u:a@1/d/SECRET",
      "postgres://u:1?x=SECRET@h/d",
      "postgres://u:1/d?SECRET@h=d",
      "postgres://u:a@b?SECRET=x@h/d",
      "postgres://u%00:SECRET@h/d",
      "postgres://u:SECRET@h/d%00",
      "postgres://u:SECRET@h,i/d?port=1,2,3",
      "postgres://u:SECRET@h/d?hostaddr=SECRET",
      "postgres://u:SECRET@h,i/d?hostaddr=10.0.0.1",
      "",
    ]
  ) {
    const error = assertThrows(() => parsePostgresUrl(url), SettingsError);
    assert(!Deno.inspect(error).includes("SECRET"), url);
  }
});

Deno.test("a URL by which golang-migrate keeps other books, or takes another lock, is refused", () => {
  const problem = (query: string) => {
    const checked = optionalPostgresUrl.check(`postgres://u:SECRET@h/d?${query}`);
    return "problem" in checked ? checked.problem : "";
  };
  for (const table of ["versions", "%22own%22.%22schema_migrations%22&x-migrations-table-quoted=1"]) {
    const told = problem(`x-migrations-table=${table}`);
    assertStringIncludes(told, "names another table than schema_migrations");
    assert(!told.includes("SECRET"));
  }
  assertStringIncludes(problem("x-lock-strategy=table"), "another lock");
  const same = ["x-migrations-table=schema_migrations&x-lock-strategy=advisory", "x-statement-timeout=5000"];
  for (const query of same) assertEquals(problem(query), "");
});

Deno.test("parsePostgresUrl() reads what stands behind the question mark as Outpost's server does", () => {
  const { parameters } = parsePostgresUrl(
    "postgres://a+b:c+d@h/d+b?options=-c+search_path%3Dlogs&search_path=%22%24user%22,+logs&application_name=1%2B1",
  );
  assertEquals(Object.fromEntries(parameters), {
    options: "-c search_path=logs",
    search_path: '"$user", logs',
    application_name: "1+1",
  });
  const { user, password, database } = parsePostgresUrl("postgres://a+b:c+d@h/d+b");
  assertEquals([user, password, database], ["a+b", "c+d", "d+b"]);
});

Deno.test("parsePostgresUrl() refuses a parameter that has two values: each client takes another one", () => {
  const error = assertThrows(
    () => parsePostgresUrl("postgres://h/d?search_path=one&search_path=two"),
    SettingsError,
  );
  assertStringIncludes(error.message, "a parameter twice");
  const { parameters } = parsePostgresUrl("postgres://h/d?sslmode=require&sslmode=require");
  assertEquals(parameters.get("sslmode"), "require");
});
