/**
 * What a released binary is made of, as a bill of materials in CycloneDX's form.
 *
 * @module
 */

/** The part of a lock file that is used here: of each package, by its ID, hash and dependencies. */
export interface LockedPackages {
  readonly npm: Readonly<
    Record<string, { readonly integrity: string; readonly dependencies?: readonly string[] }>
  >;
}

/**
 * Lists the packages of a lock file, each with its hash and what it depends on, and the runtime.
 *
 * @param lock The lock file of what goes into the binary, and of nothing else.
 * @param versions Of the program and of the Deno that it is compiled with.
 * @returns One document of CycloneDX 1.5, without a time or a serial number: the same for the same lock.
 */
export function billOfMaterials(
  { npm }: LockedPackages,
  versions: { readonly program: string; readonly deno: string },
): Record<string, unknown> {
  const program = `pkg:github/outpost-migrate@${versions.program}`;
  const runtime = `pkg:github/denoland/deno@v${versions.deno}`;
  const urls = new Map(Object.keys(npm).map((id) => [id, packageUrl(id)]));
  // `wrap-ansi-cjs@npm:wrap-ansi@7.0.0` is another name for a package.
  const urlOf = (dependency: string) => {
    const id = dependency.replace(/^.+@npm:/, "");
    return urls.get(id) ?? [...urls].find(([known]) => known.startsWith(`${id}@`))?.[1];
  };
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        "type": "application",
        "bom-ref": program,
        "name": "outpost",
        "version": versions.program,
      },
    },
    components: [
      { "type": "platform", "bom-ref": runtime, "name": "deno", "version": versions.deno, "purl": runtime },
      ...Object.entries(npm).map(([id, { integrity }]) => ({
        "type": "library",
        "bom-ref": urls.get(id),
        ...nameOf(id),
        "purl": urls.get(id),
        "hashes": [{ alg: "SHA-512", content: hexOf(integrity) }],
      })),
    ],
    dependencies: [
      { ref: program, dependsOn: [runtime, ...urls.values()] },
      ...Object.entries(npm).map(([id, { dependencies = [] }]) => ({
        ref: urls.get(id),
        dependsOn: dependencies.flatMap((dependency) => urlOf(dependency) ?? []),
      })),
    ],
  };
}

/** @param id For example `@bomb.sh/tab@0.0.22_commander@15.1.0`: the part behind `_` says beside what it was resolved. */
function nameOf(id: string): { readonly name: string; readonly version: string } {
  const at = id.indexOf("@", 1);
  return { name: id.slice(0, at), version: id.slice(at + 1).split("_")[0]! };
}

function packageUrl(id: string): string {
  const { name, version } = nameOf(id);
  return `pkg:npm/${name.replace("@", "%40")}@${version}`;
}

/** @param integrity For example `sha512-...`, in Base64. */
function hexOf(integrity: string): string {
  const bytes = Uint8Array.from(
    atob(integrity.replace(/^sha512-/, "")),
    (letter) => letter.charCodeAt(0),
  );
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
