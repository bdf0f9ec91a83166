/**
 * `outpost migrate resolve`
 *
 * @module
 */

import { encodeText } from "../../engine/redis/binary.ts";
import type { KeptForm, RedisDifference, ResolveResult } from "../../engine/redis_backend.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { DeclinedError, UsageError } from "../errors.ts";
import { quoted } from "../line/carried_flags.ts";
import { LOCK_SETTINGS } from "../line/shared_options.ts";
import { assertCanAsk, type Question } from "../output/confirm.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { formatCounted } from "../output/format.ts";
import { resolveJson } from "../output/json.ts";
import { type Layout, nextCommand } from "../output/output.ts";
import { renderTable, wrap } from "../output/table.ts";
import { lockOptions } from "./lock_options.ts";

/** Issues that are named. */
const NAMED = 10;

interface ResolveCommandOptions {
  readonly id: string;
  /** Undefined for every difference. */
  readonly keys: readonly string[] | undefined;
  readonly keep: KeptForm;
  readonly yes: boolean;
}

/** Settles records whose two forms differ. */
export const resolveCommand: Command = defineCommand(
  {
    path: "migrate resolve",
    summary: "Settle records whose two forms differ: the original or the copy holds",
    details: [
      "Shows both forms side by side, secrets hidden, and asks. Then the form that is kept is written over the other one, each " +
      "record only while both are what was shown; what has changed since is left alone and listed, with exit status 1.",
      "Keeping a copy that is not there deletes the original; where another tool alone says that there was one, only an original " +
      "that is named. Afterwards both forms are one, and cleanup deletes the original.",
    ],
    examples: [
      { command: "outpost migrate resolve redis/1 tenant:acme --keep original", does: "the old form holds" },
      { command: "outpost migrate resolve redis/1 --all --keep copy", does: "all that verify names" },
    ],
    arguments: [
      { name: "<id>", description: "A migration, for example redis/001_hash_tags", completes: "migration" },
      { name: "[key...]", description: "Keys of originals, as verify shows them" },
    ],
    flags: [
      { flags: "--keep <FORM>", description: "Which form holds: original or copy" },
      { flags: "--all", description: "Every record of which two forms differ, and only a person can tell" },
      { flags: "-y, --yes", description: "Do not ask" },
    ],
    settings: [...LOCK_SETTINGS],
  },
  read,
  run,
);

function read(input: CommandInput): ResolveCommandOptions {
  const [id = "", ...keys] = input.args;
  const keep = input.text("keep");
  if (keep !== "original" && keep !== "copy") {
    throw new UsageError("Say which form holds: --keep original or --keep copy");
  }
  if (input.has("all") === keys.length > 0) {
    throw new UsageError(
      keys.length > 0 ? "KEY and --all contradict each other" : "Say which records: their keys, or --all",
      { hint: "For example: outpost migrate resolve redis/1 tenant:acme --keep original" },
    );
  }
  return { id, keys: input.has("all") ? undefined : keys, keep, yes: input.has("yes") };
}

async function run(context: Context, { id: loose, keys, keep, yes }: ResolveCommandOptions): Promise<number> {
  await using open = await context.openEngine({ sides: "redis" });
  const id = open.engine.resolve(loose);
  const instead = `resolve ${id} ${keys?.map(quoted).join(" ") ?? "--all"} --keep ${keep} --yes`;
  if (!yes) {
    const text = `Settle records of ${id}?`;
    assertCanAsk({ host: context.host, json: context.output.json }, { text, instead });
  }
  const found = await context.reading(open.engine.planResolve(id, { keys, signal: context.signal }));
  const isMeant = (name: string) => (one: RedisDifference) =>
    one.key === name || one.source === encodeText(name);
  const missing = (keys ?? []).filter((name) => !found.some(isMeant(name)));
  if (found.length > 0 && !context.output.json) {
    context.output.text(renderDifferences(found, keep, context.output.layout));
  }
  const isLeft = ({ deletable }: RedisDifference) => keep === "copy" && !deletable;
  const settled = found.filter((one) => !isLeft(one));
  if (settled.length > 0 && !yes) {
    const question: Question = { text: questionOf(settled, keep), instead };
    if (!await context.confirm(question)) throw new DeclinedError("Nothing was settled: the answer was no");
  }
  const result = await open.engine.resolveDifferences(id, found, keep, lockOptions(context));
  const issues = [...missing.map((key) => `${key}: there is no such original`), ...result.issues];
  context.output.result(
    resolveJson({ ...result, issues }, keep),
    (layout) => renderResult({ ...result, issues }, layout, found.some(isLeft)),
  );
  return issues.length > 0 ? EXIT.failed : EXIT.done;
}

function questionOf(settled: readonly RedisDifference[], keep: KeptForm): string {
  const without = keep === "copy" ? settled.filter(({ hasCopy }) => !hasCopy).length : 0;
  const losing = keep === "copy" ? "originals" : "copies";
  const deleted = without === 0 ? "" : `, and delete ${formatCounted(without, "original")} without a copy`;
  return `Write ${
    formatCounted(settled.length, "record")
  } over their ${losing}${deleted}? This cannot be taken back.`;
}

function renderDifferences(found: readonly RedisDifference[], keep: KeptForm, layout: Layout): string {
  const { style, width } = layout;
  const shown = found.slice(0, NAMED);
  const blocks = shown.map(({ key, copy, fault, fields }) => {
    const lines = [`${style.cyan(key)}`, `  ${wrap(fault ?? "its copy proves it", width - 2, "  ")}`];
    if (fields.length > 0) {
      const rows = fields.map(({ name, original, copy }) => [name, original ?? "-", copy ?? "-"]);
      const columns = [{ title: "Field" }, { title: "Original", shrinks: true }, {
        title: `Copy ${copy}`,
        shrinks: true,
      }];
      lines.push(
        ...renderTable(columns, rows, { width: width - 2, title: style.bold }).map((line) => `  ${line}`),
      );
    }
    return lines.join("\n");
  });
  const more = found.length - shown.length;
  return [
    ...blocks,
    ...(more > 0 ? [`and ${formatCounted(more, "record")} more`] : []),
    `The ${keep} holds.`,
  ].join("\n\n");
}

/** @param left Whether there are originals without a copy that nobody named: `status` would lead back to here. */
function renderResult({ id, resolved, issues }: ResolveResult, layout: Layout, left: boolean): string {
  const { style, width } = layout;
  return [
    `${style.cyan(id)}  ${formatCounted(resolved, "record")} settled`,
    ...issues.slice(0, NAMED).map((issue) => wrap(`  ${style.yellow("!")} ${issue}`, width, "    ")),
    left
      ? nextCommand(layout, `outpost migrate apply ${id} --rerun`, "copies what has no copy")
      : nextCommand(layout, "outpost migrate status", "and apply, where the migration is not applied yet"),
  ].join("\n");
}
