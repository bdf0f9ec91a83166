/**
 * Plays one schedule of commands for thousands of tenants at once, of which each lives through another sequence.
 *
 * @module
 */

import { parseObjects } from "../answer.ts";
import { runInProcess } from "../../support/cli.ts";
import { startRedis } from "../../support/redis.ts";
import { HASH_TAGS, NEVER, outpostBackend } from "../../support/redis_records.ts";
import { act, beginning, NOTHING, sequencesOf } from "./acts.ts";
import { judgeTenant, missedBy } from "./oracle.ts";
import { writeOlderBooks } from "./older_books.ts";
import { APPLY, isAdoptedAs, isLongAgo, isSlot, SCHEDULES, type Step } from "./schedules.ts";
import { KINDS, namesOf, readAll, readForms, type Tenant, writeAll } from "./tenants.ts";

/** How much. */
export interface SmallOptions {
  readonly schedule: string;
  /** Every how manyth tenant is played, and from which on. */
  readonly every: number;
  readonly from: number;
}

/** What came of it. */
export interface SmallResult {
  readonly histories: number;
  readonly finds: readonly string[];
}

/** Two hours, which is longer than a run of an older tool is taken to have lasted. */
const LONG_MS = 7_200_000;

/** Plays a schedule. */
export async function play({ schedule, every, from }: SmallOptions): Promise<SmallResult> {
  const steps = SCHEDULES[schedule]!;
  await using server = await startRedis();
  const client = server.client();
  const finds: string[] = [];
  const tenants = tenantsOf(steps).filter((_, i) => i % every === from);
  const first = new Map(
    tenants.flatMap(({ id }) => KINDS.map((kind) => [namesOf(id, kind).original, beginning()[kind](id)])),
  );
  await writeAll(client, first);
  const run = async (words: readonly string[]) => {
    const env = { REDIS_HOST: "127.0.0.1", REDIS_PORT: String(server.port) };
    const answer = await runInProcess(["migrate", ...words, "--json", "--redis-only"], { env });
    if (answer.code > 1) finds.push(`${words.join(" ")} ended with ${answer.code}: ${answer.stderr}`);
    return answer;
  };
  const chosen = new Set<string>();
  const isAdopted = isLongAgo(steps);
  // What an older tool copied, it began to copy before all slots; when, nothing tells.
  let begun = isAdopted ? 0 : Infinity;
  const isDated = !isAdoptedAs(steps, "version");
  let [slot, since, done, keep] = [0, 0, false, null as "original" | "copy" | null];
  for (const step of steps) {
    if (isSlot(step)) {
      await live(client, tenants, slot++, { since, isAdopted, done });
    } else if (typeof step === "object" && "adopt" in step) {
      await writeOlderBooks(client, step.adopt);
    } else {
      if (step === "fail") await failToReach(client, tenants, () => run(["apply", "redis/1", "--yes"]));
      else if (step[0] === "resolve") {
        keep = step.includes("copy") ? "copy" : "original";
        const before = await readForms(client, tenants);
        for (const one of await outpostBackend(client).differences(HASH_TAGS, null, { signal: NEVER })) {
          chosen.add(one.source);
          // While 001 was never applied, what has no copy is to be copied: nobody is to choose.
          if (!one.hasCopy && !done) finds.push(`${one.key}: is to be copied, and resolve settles it`);
        }
        await run(step);
        const after = await readForms(client, tenants);
        tenants.forEach(({ id, sequence }, t) => {
          for (const kind of KINDS) {
            const { original } = namesOf(id, kind);
            if (chosen.has(original) || before[t]![kind].original === null) continue;
            if (after[t]![kind].original === null) {
              finds.push(`${original}: deleted by resolve, in ${sequence.join(", ")}`);
            }
          }
        });
      } else {
        const { code } = await run(step);
        done ||= code === 0 && step[0] === "apply";
        if (code === 0 && step === APPLY) finds.push(...missedBy(tenants, await readForms(client, tenants)));
      }
      begun = Math.min(begun, slot);
      const [began = null] = await client.hmget("outpost:migration:001_hash_tags", "first_began_at");
      since = Number(began ?? 0);
    }
  }
  const listed = await run(["list"]);
  const applied = parseObjects(listed.stdout).flatMap(({ migrations }) =>
    (migrations as { name: string; status: string }[] | undefined ?? [])
      .filter(({ status }) => status === "applied").map(({ name }) => name)
  );
  const { stdout } = await run(["cleanup", "--yes", "--force"]);
  const forms = await readForms(client, tenants);
  const kept = [...stdout.matchAll(/"kept":\s*(\d+)/g)].reduce((sum, [, count]) => sum + Number(count), 0);
  const left = forms.flatMap((all) => KINDS.filter((kind) => all[kind].original !== null)).length;
  if (kept !== left) {
    finds.push(`cleanup says that it kept ${kept}, there are ${left}: ${stdout.slice(0, 300)}`);
  }
  tenants.forEach((tenant, t) => {
    const nameOf = (kind: typeof KINDS[number]) => namesOf(tenant.id, kind).original;
    for (const what of judgeTenant(tenant, forms[t]!, { begun, isDated, chosen, keep, applied }, nameOf)) {
      const { sequence, seconds, unreached } = tenant;
      finds.push(`${sequence.join(", ")}${seconds ? ", in seconds" : ""}, unreached ${unreached}: ${what}`);
    }
  });
  return { histories: tenants.length, finds };
}

function tenantsOf(steps: readonly Step[]): Tenant[] {
  const isAdopted = isLongAgo(steps);
  const slots = steps.filter(isSlot).map((step, i) => ({
    clocks: i === 0 ? ["now"] : isAdopted ? ["now"] : ["now", "T0"],
    who: step === "old slot" ? ["old"] : ["old", "new"],
  }));
  if (isAdopted) { for (const slot of slots.slice(0, 2)) slot.clocks = ["long"]; }
  const masks = steps.includes("fail") ? [0, 1, 2, 3, 4, 5, 6, 7] : [0];
  const tenants: Tenant[] = [];
  for (const sequence of sequencesOf(slots)) {
    for (const seconds of [false, true]) {
      for (const unreached of masks) {
        const id = `t${tenants.length}`;
        const history = Object.fromEntries(
          KINDS.map((kind) => [kind, { old: [{ stored: beginning()[kind](id), slot: -1 }], now: null }]),
        );
        tenants.push({ id, sequence, seconds, unreached, history: history as unknown as Tenant["history"] });
      }
    }
  }
  return tenants;
}

type Client = Parameters<typeof readAll>[0];

async function live(
  client: Client,
  tenants: readonly Tenant[],
  slot: number,
  { since, isAdopted, done }: {
    readonly since: number;
    readonly isAdopted: boolean;
    readonly done: boolean;
  },
): Promise<void> {
  const writes = new Map<string, { fields: Readonly<Record<string, string>>; expiresAt: number } | null>();
  const forms = await readForms(client, tenants);
  tenants.forEach((tenant, t) => {
    const doing = tenant.sequence[slot]!;
    // What is gone before all is copied nobody can tell from what was never copied: no run takes a week.
    if (doing === NOTHING || (doing.includes("forget") && !done)) return;
    const now = Date.now();
    const clock = doing.split(" ")[2];
    const moment = clock === "T0" && since > 0 && !isAdopted
      ? since
      : clock === "long"
      ? now - LONG_MS + slot
      : now;
    for (const [key, stored] of act(tenant, forms[t]!, doing, slot, moment)) writes.set(key, stored);
  });
  await writeAll(client, writes);
}

/** Hides what a run does not reach, and has it fail by a record that nobody can tell. */
async function failToReach(
  client: Client,
  tenants: readonly Tenant[],
  run: () => Promise<unknown>,
): Promise<void> {
  const hidden = tenants.flatMap(({ id, unreached }) =>
    KINDS.flatMap((kind, bit) => (unreached >> bit) % 2 === 1 ? [namesOf(id, kind).original] : [])
  );
  const found = await readAll(client, hidden);
  await writeAll(client, new Map(hidden.map((key) => [key, null])));
  await client.hset("tenant:spoiler", { id: "spoiler", metadata: "one" });
  await client.hset("tenant:{spoiler}:tenant", { id: "spoiler", metadata: "other" });
  await run();
  await client.del("tenant:spoiler", "tenant:{spoiler}:tenant");
  await writeAll(client, new Map(hidden.map((key, i) => [key, found[i]!])));
}
