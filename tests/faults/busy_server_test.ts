import { assertEquals, assertGreater } from "@std/assert";
import { parseObjects } from "../torture/answer.ts";
import { runInProcess } from "../support/cli.ts";
import { World } from "./world.ts";

Deno.test(
  "a server that is too busy to say which process it is gets the blame itself, and nothing is called done",
  {
    sanitizeOps: false,
    sanitizeResources: false,
  },
  async (t) => {
    await using world = await World.start();
    const run = async (words: readonly string[], way: "faulty" | "plain") => {
      const answer = await runInProcess(["migrate", ...words, "--yes", "--redis-only", "--json"], {
        env: world.env(["redis"], way),
      });
      const error = parseObjects(answer.stdout).at(-1)?.error as
        | { code: string; message: string }
        | undefined;
      return { code: answer.code, error };
    };
    for (const command of ["apply", "cleanup"]) {
      await t.step(command, async () => {
        let at = 0;
        for (let happened = true; happened; at++) {
          await world.reset(["redis"]);
          if (command === "cleanup") assertEquals((await run(["apply"], "plain")).code, 0);
          let seen = 0;
          happened = false;
          world.redis.decide = ({ name }) => {
            if (name !== "INFO" || seen++ < at) return null;
            happened = true;
            return { type: "error", code: "BUSY" };
          };
          const { code, error } = await run([command], "faulty");
          if (happened) {
            assertEquals([code, error?.code], [4, "store_unreachable"], `INFO ${at}: ${error?.message}`);
          } else assertEquals(code, 0);
          world.calm();
          assertEquals((await run([command], "plain")).code, 0);
        }
        assertGreater(at, 2);
      });
    }
  },
);
