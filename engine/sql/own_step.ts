/**
 * What an application's steps say and do: a forecast that is none is told as theirs, and nothing counts as done that was not run.
 *
 * @module
 */

import { shown } from "../check_options.ts";
import { RegistryError } from "../errors.ts";
import { toldError } from "../told_error.ts";
import type { DownForecast, SqlStep, StepForecast, StepModule, StepRunner } from "./step.ts";

/**
 * Has a module run its step, and waits for all that it began, whether or not it does.
 *
 * @param id Of the step, as in `sql/000005`.
 * @throws What failed first in that, or else in the module.
 * @throws {RegistryError} When it ran anything but its step in this direction: it would be recorded, and nothing of it be there.
 */
export async function runModule(
  module: StepModule,
  direction: "up" | "down",
  id: string,
  runner: StepRunner,
): Promise<void> {
  const begun: Promise<void>[] = [];
  let isRun = false;
  const begin = (run: Promise<void>) => {
    run.catch(() => {}); // Told below, also where nobody waits for it.
    begun.push(run);
    return run;
  };
  const { lend } = runner;
  const [acted] = await Promise.allSettled([(async () =>
    await module[direction]({
      run(given, way) {
        isRun ||= given.version === module.step.version && way === direction;
        return begin(runner.run(given, way));
      },
      ...(lend === undefined ? {} : {
        lend(work) {
          isRun = true;
          return begin(lend(work));
        },
      }),
    }))()]);
  await Promise.all(begun);
  if (acted.status === "rejected") throw acted.reason;
  if (!isRun) throw new RegistryError(`Cannot record ${id}: its ${direction}() did not run it ${direction}`);
}

/** What a step says of its way up. @throws {RegistryError} When it is no forecast. */
export function forecastOf(step: SqlStep, from: number, id: string): StepForecast {
  return told("forecast", id, ["tables", "consequences"], () => step.forecast(from));
}

/** What it says of its way down. @throws {RegistryError} When it is no forecast. */
export function forecastDownOf(step: SqlStep, from: number, id: string): DownForecast {
  return told("forecastDown", id, ["tables", "consequences", "warnings"], () => step.forecastDown(from));
}

function told<Forecast extends object>(
  name: string,
  id: string,
  lists: readonly string[],
  ask: () => Forecast,
): Forecast {
  const cannot = `Cannot go by ${name}() of ${id}`;
  let answer: Forecast;
  try {
    answer = ask();
  } catch (error) {
    throw new RegistryError(`${cannot}: it threw: ${toldError(error)}`, { cause: error });
  }
  if (answer instanceof Promise) {
    answer.catch(() => {}); // Nobody is going to wait for it.
    throw new RegistryError(`${cannot}: it answered with a promise`);
  }
  const has = (answer ?? {}) as Readonly<Record<string, unknown>>;
  if (lists.every((list) => Array.isArray(has[list]))) return answer;
  throw new RegistryError(`${cannot}: it answered ${shown(answer)}`);
}
