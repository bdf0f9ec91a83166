/**
 * What is known to go wrong in tools that do this job: the list that the scoreboard has to cover, in the words of this project.
 *
 * @module
 */

/** Where it is known from, and what it is. Numbers with a hash are issues and pull requests of a project. */
export const KNOWN_FAILURES: Readonly<Record<string, string>> = {
  // The Go tools that Outpost was released with, read and measured.
  B1: "the newest SQL step failed and counts as applied",
  B2: "a database that is dirty, and no way out of it",
  B3: "failed writes, and applied all the same",
  B4: "unreadable records counted as migrated",
  B5: "times that cannot be read are skipped",
  B6: "an error while reading state counts as pending",
  B7: "verify passes where nothing was migrated",
  B8: "no terminal, no answer, exit 0",
  B9: "differences that do not fail verify",
  B10: "a sample that is always the same",
  B11: "checks are counted by their failures",
  B12: "ahead is called behind, dirty is not told",
  B13: "contradicting options do nothing and succeed",
  B14: "old fields over newer data",
  B15: "copies without an end",
  B16: "ghosts of records that have ended",
  B17: "lost updates",
  B18: "IDs with colons and braces",
  B19: "orphans are dropped",
  B20: "IDs that hold the name of another kind",
  B21: "the destination of events is dropped",
  B22: "rows are deleted and the plan is silent",
  B23: "a full store is taken for a fresh one",
  B24: "marks of one deployment count for all",
  B25: "a third of a cluster",
  B26: "keys of many slots in one command",
  B27: "KEYS",
  B28: "the whole work list in memory, twice",
  B29: "what was confirmed is not what runs",
  B30: "a lock that ends while its holder works",
  B31: "a lock that outlives its holder",
  B32: "nobody waits for a lock",
  B33: "unlock takes away whatever is there",
  B34: "no lock spans the stores, ClickHouse has none",
  B35: "reading takes locks and creates tables",
  B36: "readers wait for a migration",
  B37: "one bad record fails a batch",
  B38: "TLS without a check of certificates",
  B39: "settings of everything are needed",
  B40: "documented commands that do not exist",
  B41: "of two SQL stores one is migrated",
  B42: "names of tables that need quotes",
  B43: "ClickHouse steps that cannot be repeated",
  B44: "gaps and late steps go unseen",
  B45: "the server migrates in secret",
  B46: "plans that differ from run to run",
  B47: "local times",
  B48: "passwords in messages",
  B49: "tests against imitations",
  // The first release candidate of this project, taken apart by two careful readers: Redis and SQL.
  R1: "cleanup deletes the only copy of a write",
  R2: "a deployment continues another's run",
  R3: "interrupted twice, then applied with records left",
  R4: "deleted in a pause, back after it",
  R5: "a newer write in a pause is passed over",
  R6: "a crash between copy and proof brings deleted records back",
  R7: "a server that evicts",
  R8: "init and adoption write without the fence",
  R9: "a failover while applied is recorded",
  R10: "verify recommends what resurrects",
  R11: "writes into hashes of others",
  R12: "a slot left half moved",
  R13: "a rate for each master",
  R14: "scripts that hold the server",
  R15: "deployment IDs that are parts of keys",
  P1: "ClickHouse step 2 beside a live application",
  P2: "hints with relative counts",
  P3: "what is run was not shown",
  P4: "insert by position",
  P5: "row level security",
  P6: "another installation in the search path",
  P7: "a view between two versions",
  P8: "reading hangs behind a held table",
  P9: "several hosts in a URL",
  P10: "a frozen run keeps its locks",
  P11: "saved plans that were tampered with",
  P12: "a late lock throws the work away",
  P13: "the way down loses a quarantined row",
  P14: "drift that loses rows is called ok",
  P15: "peers that are no Postgres, and parts of passwords",
  P16: "version -1, and plans of dirty databases",
  P17: "ClickHouse on a cluster",
  P18: "a silent Redis cancels a long rewrite",
  // What users of other tools report.
  ...known("hookdeck/outpost", "one command, TLS, users, slots, waiting, marks", [
    461,
    484,
    489,
    508,
    656,
    675,
    680,
    816,
    831,
  ]),
  ...known("golang-migrate", "dirty", [282, 317, 337, 430, 518, 678, 1059]),
  ...known("golang-migrate", "poolers", [908, 992, 1274]),
  ...known("golang-migrate", "pods and concurrent indexes, no history, no lock in ClickHouse", [
    960,
    179,
    568,
  ]),
  ...known("golang-migrate", "ClickHouse on a cluster", [1180, 1221]),
  ...known("mattes/migrate", "late merges, a dry run", [237, 304]),
  ...known("goose", "locks", [335, 993]),
  ...known("goose", "a dry run", [281, 479, 710]),
  ...known("goose", "changed steps, and their order", [288, 73, 121, 523]),
  ...known("goose", "replicated ClickHouse", [869]),
  ...known("Atlas", "poolers, and which lock timed out", [2447, 2915]),
  ...known("Flyway", "concurrent indexes hang", [1654, 3497, 3682, 3854]),
  ...known("Flyway", "repair by hand, and what undo leaves", [488, 923, 2444, 2492, 4121]),
  ...known("Liquibase", "a lock that a killed pod leaves", [1453]),
  ...known("coder", "pods that wait beside a concurrent index", [8353]),
  ...known("element-hq/MAS", "the same", [5298]),
  ...known("spinnaker", "a lock that a killed pod leaves", [6625]),
  ...known("camunda", "the same", [48343]),
  ...known("X-Road", "the same", [3076]),
  ...known("rundeck", "the same", [8111]),
  ...known("blagerweij/liquibase-sessionlock", "a change that ran twice", [36]),
  ...known("dbmate", "no lock", [101, 596]),
  ...known("dbmate", "ClickHouse on a cluster", [245, 432]),
  ...known("Prisma Migrate", "advisory locks that stay", [6768, 8038, 12999, 27636]),
  ...known("Prisma Migrate", "indexes built concurrently", [14456]),
  ...known("umami", "stuck after a failed deployment", [3536]),
  ...known("sqitch", "parallel runs, the wrong owner, half a state, ok after a failure", [
    209,
    330,
    579,
    670,
  ]),
  ...known("pgroll", "backfills, locks, downtime", [171, 353, 388, 583, 648]),
  "pgroll preview": "no preview of the statements",
  "Atlas lint": "what a step locks and loses, in a paid edition",
  "Flyway undo": "the way back, in a paid edition",
  ...known("Alembic", "no lock", [633]),
  ...known("langflow", "no lock", [13204]),
  ...known("rhesis", "the same", [2574]),
  ...known("phoenix", "the same", [11807]),
  ...known("aegra", "the same", [565]),
  ...known("romm", "the same", [4486]),
  ...known("strong_migrations", "waiting readers", [95, 99, 133]),
  ...known("rails", "poolers", [31190]),
  ...known("node-pg-migrate", "a dry run that wrote", [1705, 1718]),
  ...known("drizzle-orm", "three at once", [874]),
  ...known("lightdash", "a lock after a kill", [26281]),
  ...known("RedisShake", "records that end meanwhile", [244, 930, 981]),
  ...known("RedisShake", "keys of a cluster, no way to go on", [811, 955, 1007, 1057]),
  ...known("redis-om", "times without a zone, progress by lists of keys", [711]),
  ...known("RIOT", "missing keys without an error", [88, 127, 155, 165]),
};

/** What is on the list and on no page of proofs, with the reason. */
export const NOT_SHOWN: Readonly<Record<string, string>> = {
  "P17 on several servers":
    "tables that replicate between servers need a cluster of ClickHouse with its Keeper; the engine of the tests is one server, which asks itself",
};

function known(tool: string, what: string, numbers: readonly number[]): Record<string, string> {
  return Object.fromEntries(numbers.map((number) => [`${tool} #${number}`, what]));
}

/** The entries of the list that a proof shows: its own, and those that it names where the failure is known from. */
export function entriesOf(
  { id, from }: {
    readonly id: string;
    readonly from: string;
  },
): readonly string[] {
  const named = from.matchAll(/([\w/-]+(?: Migrate)?)(?:'s)? (?:PRs? )?(#\d+(?:, (?:PRs? )?#\d+)*)/g);
  const issues = [...named].flatMap(([, tool, numbers]) =>
    numbers!.match(/#\d+/g)!.map((number) => `${tool} ${number}`)
  );
  return [...new Set([id.split(" ")[0]!.match(/^[BRP]\d+$/)?.[0] ?? id, ...issues])];
}
