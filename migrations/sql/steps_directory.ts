/**
 * Where the files of the steps are, for ley to list.
 *
 * @module
 */

/**
 * The folder of the steps that a module imports.
 *
 * @param meta `import.meta` of that module.
 * @param name Name of the folder beside it.
 * @returns Null where there are no such files: the module was loaded from a URL, or has been compiled to JavaScript.
 */
export function stepsDirectory(meta: ImportMeta, name: string): string | null {
  const { dirname, filename } = meta;
  return dirname === undefined || filename?.endsWith(".ts") !== true ? null : `${dirname}/${name}`;
}
