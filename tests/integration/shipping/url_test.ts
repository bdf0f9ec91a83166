import { contentType, serveCheckout } from "./checkout_server.ts";
import { assertEquals } from "@std/assert";
import { join } from "@std/path";
import { PERMISSIONS } from "../../../scripts/permissions.ts";
import { doMainJob } from "./main_job.ts";
import { outcomeOf } from "./outcome.ts";
import { freshDenoDir } from "./fresh_deno_dir.ts";

Deno.test("deno run URL migrates an old Outpost with the documented permissions alone", async () => {
  await using server = serveCheckout();
  await using home = await freshDenoDir();
  const program = [
    ...PERMISSIONS,
    "--quiet",
    `--import-map=${server.url}/deno.json`,
    `${server.url}/main.ts`,
  ];
  await doMainJob({
    run: (args, env) =>
      outcomeOf(Deno.execPath(), {
        args: ["run", ...program, ...args],
        cwd: home.path,
        env: { ...env, DENO_DIR: home.denoDir },
      }),
    server: [Deno.execPath(), "--version"],
  });
});

Deno.test("contentType() is what Deno asks of a server of modules", () => {
  assertEquals(contentType("main.ts"), "application/typescript; charset=utf-8");
  assertEquals(contentType(join("a", "deno.json")), "application/json; charset=utf-8");
  assertEquals(contentType("outpost"), "application/octet-stream");
});
