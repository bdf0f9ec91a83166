import { assertEquals } from "@std/assert";
import { systemReason } from "../../../cli/system_reason.ts";

Deno.test("systemReason() says what the system says, without the path, and in our words where there are better ones", () => {
  const full = new Error("No space left on device (os error 28): writefile '/secret/plan.json'");
  assertEquals(systemReason(full), "no space left on device");
  const format = new Error("Failed to spawn '/opt/a: b': Exec format error (os error 8)");
  assertEquals(systemReason(format), "exec format error");
  const missing = new Deno.errors.NotFound("No such file or directory (os error 2): readfile 'x'");
  assertEquals(systemReason(missing), "it does not exist");
  assertEquals(systemReason(missing, { NotFound: "its folder does not exist" }), "its folder does not exist");
  assertEquals(systemReason(new Deno.errors.IsADirectory()), "it is a directory");
  const all = new Deno.errors.NotCapable(
    'Requires all access to "/dev/stdin", run again with the --allow-all flag',
  );
  assertEquals(systemReason(all), "it is a special file, which Deno does not open");
  const read = new Deno.errors.NotCapable(
    'Requires read access to "/etc", run again with the --allow-read flag',
  );
  assertEquals(systemReason(read), "Deno was not given the permission");
  assertEquals(systemReason(new TypeError("about /secret")), "TypeError");
  assertEquals(systemReason("thrown"), "unknown reason");
});
