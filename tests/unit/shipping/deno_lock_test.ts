import { assertEquals, assertMatch } from "@std/assert";
import { join, resolve } from "@std/path";

const ROOT = resolve(import.meta.dirname!, "../../..");

Deno.test("./dev has the hashes of the newest and of the oldest supported Deno, and no address of a registry", async () => {
  const dev = await Deno.readTextFile(join(ROOT, "dev"));
  const [, ...versions] = /DENO_VERSION:-([\d.]+)\}.*the oldest is ([\d.]+)/.exec(dev)!;
  for (const version of versions) {
    const text = await Deno.readTextFile(join(ROOT, `.ci/deno-${version}.package-lock.json`));
    const { packages } = JSON.parse(text) as {
      readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
    };
    for (const name of ["deno", "@deno/linux-x64-glibc"]) {
      const locked = packages[`node_modules/${name}`];
      assertEquals(locked?.version, version, name);
      assertMatch(locked?.integrity ?? "", /^sha512-[A-Za-z0-9+/]{86}==$/, name);
    }
    // With one a mirror would not be asked.
    assertEquals(text.includes("resolved"), false);
  }
});
