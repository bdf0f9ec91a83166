/**
 * `outpost migrate verify`
 *
 * @module
 */

import { presentStores } from "../../engine/migration.ts";
import { type Command, type CommandInput, defineCommand } from "../command.ts";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { refuseForMany } from "../deployments/many.ts";
import { readAll } from "../deployments/reading.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { verifyPage } from "../html/verify_page.ts";
import { formatCounted } from "../output/format.ts";
import { verifyJson } from "../output/json.ts";
import { renderVerify, type VerifyView } from "../render/verify.ts";
import { configuredStores } from "../stores/configured.ts";
import { readWholeNumber } from "../line/whole_number.ts";
import { writeFile } from "../output/write_file.ts";

const DEFAULT_SAMPLE = 20;

interface VerifyCommandOptions {
  readonly ids: readonly string[];
  readonly full: boolean;
  readonly sample: number;
  readonly html: string | undefined;
}

/** Proves what is applied. */
export const verifyCommand: Command = defineCommand(
  {
    path: "migrate verify",
    summary: "Prove it: schema, checksums of the applied steps, records",
    details: [
      "Reads only. Exits 1 when anything does not verify, or is pending and cannot be verified. All schema checks always run; " +
      "records are checked in a random sample unless --full is given.",
    ],
    examples: [
      { command: "outpost migrate verify", does: "the schema, and a random sample of records" },
      { command: "outpost migrate verify --full", does: "every record" },
      { command: "outpost migrate verify redis/1 --sample 500", does: "one migration, a larger sample" },
      { command: "outpost migrate verify --html verify.html", does: "a page for the change ticket" },
    ],
    arguments: [{
      name: "[id...]",
      description: "Migrations, for example sql/5 or 002_timestamps",
      completes: "migration",
    }],
    flags: [
      { flags: "--full", description: "Check every record" },
      {
        flags: "--sample <N>",
        description: "Tenants to check, with all their destinations",
        default: String(DEFAULT_SAMPLE),
      },
      { flags: "--html <FILE>", description: "Write the result as one self-contained page" },
    ],
  },
  read,
  run,
  (context, { ids, full, sample, html }) => {
    refuseForMany("--html", html);
    return readAll(context, {
      ids,
      busy: full ? "Checking every record ..." : "Checking ...",
      ask: (engine, own) => engine.verify({ ids: own, full, sample, signal: context.signal }),
      json: verifyJson,
      line: (result, { style }) => {
        const found = [...presentStores(result).map(([, store]) => store), ...result.redis];
        const [issue, ...others] = found.flatMap(({ issues }) => issues);
        const checks = result.redis.reduce((sum, { checksRun }) => sum + checksRun, 0);
        return result.ok ? style.green(`verified, ${formatCounted(checks, "check")} of records`) : style.red(
          `${issue ?? "not verified"}${others.length === 0 ? "" : `, and ${others.length} more`}`,
        );
      },
      text: (result, layout) => renderVerify(result, layout, viewOf(context, { ids, full, sample })),
      status: ({ ok }) => ok ? EXIT.done : EXIT.failed,
      isDone: ({ ok }) => ok,
      words: ["verify", "do not verify", "could not be asked"],
      // No server is started for several: what starts those of them all asks this before.
      next: { failed: "migrate verify", done: full ? "migrate init --current" : "migrate verify --full" },
    });
  },
);

function read(input: CommandInput): VerifyCommandOptions {
  const sample = input.text("sample");
  if (input.has("full") && sample !== undefined) {
    throw new UsageError("--full and --sample contradict each other", { hint: "Leave one of them away" });
  }
  return {
    ids: input.args,
    full: input.has("full"),
    sample: sample === undefined ? DEFAULT_SAMPLE : readWholeNumber("--sample", sample, { min: 1 }),
    html: input.text("html"),
  };
}

async function run(context: Context, { ids, full, sample, html }: VerifyCommandOptions): Promise<number> {
  await using open = await context.openEngine();
  const resolved = ids.map((id) => open.engine.resolve(id));
  context.progress.busy(full ? "Checking every record ..." : "Checking ...");
  const started = context.host.now();
  const result = await context.reading(
    open.engine.verify({ ids: resolved, full, sample, signal: context.signal }),
  );
  const { deploymentId: deployment } = context.settings;
  if (html !== undefined) {
    const durationMs = context.host.now().getTime() - started.getTime();
    await writeFile(
      html,
      verifyPage(context.clean(result), { created: started, deployment, durationMs, full, sample }),
    );
  }
  context.output.result(verifyJson(result, deployment), (layout) =>
    [
      ...(html === undefined ? [] : [`Written as a page to ${html}.`, ""]),
      renderVerify(result, layout, viewOf(context, { ids, full, sample })),
    ].join("\n"));
  return result.ok ? EXIT.done : EXIT.failed;
}

function viewOf(
  { settings }: Context,
  { ids, full, sample }: Pick<VerifyCommandOptions, "ids" | "full" | "sample">,
): VerifyView {
  return { full, sample, named: ids.length > 0, sqlStores: configuredStores(settings).length };
}
