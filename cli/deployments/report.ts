/**
 * Tells what became of several deployments: a line for each, or a JSON object for each.
 *
 * @module
 */

import type { Context } from "../context.ts";
import { EXIT } from "../output/error_catalogue.ts";
import { type Layout, nextCommand, nextToAdopt } from "../output/output.ts";
import { formatCount } from "../output/format.ts";
import { errorJson, type ErrorReport, renderError } from "../output/report_error.ts";
import { renderTable, wrap } from "../output/table.ts";
import { type Account, carriedFor, describeFailure, mostSerious, shownName } from "./accounts.ts";

/** How an answer is told. */
export interface Telling<T> {
  /** What the same command gives for one deployment. */
  readonly json: (value: T, deployment: string) => object;
  /** In a few words. */
  readonly line: (value: T, layout: Layout) => string;
  /** In full, for `--verbose`. */
  readonly text: (value: T, layout: Layout) => string;
  /** In full without `--verbose`. */
  readonly full?: boolean;
  /** The exit status that it alone would have. */
  readonly status: (value: T) => number;
  /** True for one with which nothing is left to do. */
  readonly isDone: (value: T) => boolean;
  /** True for one of which older tools recorded what nobody has looked at. */
  readonly isAdoptable?: (value: T) => boolean;
  /** What is said of those who are done, of the others, `have something pending`, and of those that failed, if it is not the same. */
  readonly words: readonly [done: string, others: string, failed?: string];
  /** What comes next: for one that failed, for all that are not done, and for all when they are. */
  readonly next: { readonly failed: string; readonly others?: string; readonly done?: string };
  /** The command only looks: what is wrong with what all share is told in full, and repaired, with any one of them. */
  readonly looks?: boolean;
  /** More keys of the JSON. */
  readonly more?: object;
  /** Of one that failed, what the JSON says beside the error. */
  readonly failureJson?: (error: unknown, name: string | null) => object;
  /** Records and the like that are named one by one below the table: ten at most, whosever they are. */
  readonly named?: (account: Account<T>) => readonly string[];
}

/** Of all deployments together no more are named than of one. */
const NAMED = 10;

/** Writes the result. @returns The most serious of the exit statuses. */
export function reportAll<T>(context: Context, accounts: readonly Account<T>[], telling: Telling<T>): number {
  const { output } = context;
  const alone = aloneAmong(accounts);
  const failures = new Map(
    accounts.flatMap((account) =>
      account.ok ? [] : [[account, describeFailure(context, alone(account), account.error)] as const]
    ),
  );
  const statusOf = (account: Account<T>) =>
    account.ok ? telling.status(account.value) : failures.get(account)!.exitStatus;
  const status = mostSerious(accounts.map(statusOf));
  const jsonOf = (account: Account<T>) =>
    account.ok ? telling.json(account.value, account.name ?? "") : {
      ...telling.failureJson?.(account.error, account.name),
      ...errorJson(failures.get(account)!),
    };
  const [shared] = accounts.filter(({ name }) => name === null);
  if (output.json) {
    output.object({
      ...telling.more,
      ok: status === EXIT.done,
      shared: shared === undefined ? null : jsonOf(shared),
      deployments: accounts.filter(({ name }) => name !== null)
        .map((account) => ({ deployment_id: account.name, ...jsonOf(account) })),
    });
    return status;
  }
  output.text(
    [...tableOf(context, accounts, telling), "", ...closing(context, accounts, telling)].join("\n"),
  );
  return status;
}

/** A line for each, or all that there is to say with `--verbose`. */
export function tableOf<T>(
  context: Context,
  accounts: readonly Account<T>[],
  { line, text, full = false, named }: Pick<Telling<T>, "line" | "text" | "full" | "named">,
): readonly string[] {
  const { layout } = context.output;
  const { style, width, verbose } = layout;
  if (accounts.length === 0) return ["This Redis holds no deployment."];
  const alone = aloneAmong(accounts);
  const failure = ({ headline, code }: ErrorReport) => style.red(`${headline} [${code}]`);
  if (verbose || full) {
    return accounts.flatMap((account) => [
      style.bold(shownName(account.name)),
      account.ok
        ? text(account.value, { ...layout, carried: carriedFor(context, alone(account)) })
        : renderError(describeFailure(context, alone(account), account.error), layout),
      ...(account.ok ? [] : named?.(account) ?? []).map((one) =>
        wrap(`${style.yellow("!")} ${one}`, width, "  ")
      ),
      "",
    ]).slice(0, -1);
  }
  const rows = accounts.map((account) => [
    shownName(account.name),
    account.ok
      ? line(account.value, layout)
      : failure(describeFailure(context, alone(account), account.error)),
  ]);
  const table = renderTable([{ title: "DEPLOYMENT" }, { title: "RESULT" }], rows, {
    width: Infinity,
    title: style.dim,
  }).map((line) => wrap(line, width, "    "));
  const all = accounts.flatMap((account) =>
    (named?.(account) ?? []).map((one) => `${shownName(account.name)}: ${one}`)
  );
  return [
    ...table,
    ...(all.length === 0 ? [] : [""]),
    ...all.slice(0, NAMED).map((one) => wrap(`${style.yellow("!")} ${context.scrub(one)}`, width, "  ")),
    ...(all.length > NAMED ? [`  and ${formatCount(all.length - NAMED)} more, which --verbose names`] : []),
  ];
}

function closing<T>(
  context: Context,
  accounts: readonly Account<T>[],
  { isDone, isAdoptable, words, next, looks = false }: Telling<T>,
): readonly string[] {
  const { style, carried } = context.output.layout;
  const others = accounts.filter((account) => !account.ok || !isDone(account.value));
  const failed = others.find(({ ok }) => !ok) ?? (next.others === undefined ? others[0] : undefined);
  const adoptable = others.length === 0 &&
    accounts.some((account) => account.ok && isAdoptable?.(account.value) === true);
  const then = others.length === 0 ? next.done : next.others;
  // What goes on with a run of all goes on with all; what looks once more sees more of one.
  const carriedAt = (account: Account<T>) =>
    account.name === null && !looks ? carried : carriedFor(context, aloneAmong(accounts)(account));
  const counted = new Map<string, number>();
  for (const { ok } of others) {
    const said = ok ? words[1] : words[2] ?? words[1];
    counted.set(said, (counted.get(said) ?? 0) + 1);
  }
  return [
    others.length === 0 ? style.green(`All ${accounts.length} ${words[0]}.`) : style.yellow(
      [...counted].map(([said, count]) => `${count} of ${accounts.length} ${said}.`).join(" "),
    ),
    ...(failed !== undefined
      ? [nextCommand({ style, carried: carriedAt(failed) }, `outpost ${next.failed}`)]
      : adoptable
      ? [nextToAdopt({ style, carried })]
      : then === undefined
      ? []
      : [nextCommand({ style, carried }, `outpost ${then}`)]),
  ];
}

/** With which deployment alone an account is looked at and repaired: what all share with the first. */
function aloneAmong<T>(accounts: readonly Account<T>[]): (account: Account<T>) => string {
  const first = accounts.find(({ name }) => name !== null)?.name ?? "";
  return ({ name }) => name ?? first;
}
