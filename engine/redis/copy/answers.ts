/**
 * What an application answers about where records go, checked: an answer that would have records lost, or that none was meant to be,
 * ends the run before anything is written for it.
 *
 * @module
 */

import { RegistryError } from "../../errors.ts";
import { asked } from "../asked.ts";
import { type Binary, display, isBytes } from "../binary.ts";
import { type Facts, noFacts } from "../facts.ts";
import { matcherOf } from "../walk/pattern.ts";
import type { CopyChange, Destination } from "./change.ts";

type Rules = Omit<CopyChange, "type">;

/** The same rules; their answers are looked at before anybody goes by them. */
export function withCheckedAnswers(rules: Rules): Rules {
  const isFound = matcherOf(rules.pattern);
  const none = noFacts(rules.fields);
  const { lists } = rules;

  /** A copy that is an original as well would be the proof of its original, and be deleted for a copy of its own. */
  function check(key: Binary, facts: Facts, to: Destination | null): Destination | null {
    if (to === null) return null;
    checkTarget(key, to);
    const { target } = to;
    if (target === key || to.ambiguous === true || rules.lookalikes !== undefined || !isFound(target)) {
      return to;
    }
    const again = decideAgain(target, facts);
    if (again === null || again.target === target || again.ambiguous === true) return to;
    throw new RegistryError(
      `Cannot copy "${display(key)}": its copy "${display(target)}" would be copied again, to "${
        display(String(again.target))
      }"`,
      { hint: "judge() and decide() have to answer null for what is a copy" },
    );
  }

  function decideAgain(key: Binary, facts: Facts): Destination | null {
    const decided = rules.decide(key, facts.type === "hash" ? facts.values : null, false);
    if (decided !== "ask") return decided;
    return rules.questions(key, facts).length > 0 ? null : rules.judge(key, facts, () => none);
  }

  return {
    ...rules,
    decide: (key, values, lookalikes) =>
      !isFound(key) ? null : asked("decide", rules, key, () => {
        const to = rules.decide(key, values, lookalikes);
        return to === "ask" ? to : check(key, { type: "hash", values: values ?? none.values }, to);
      }),
    judge: (key, facts, known) =>
      asked("judge", rules, key, () => check(key, facts, rules.judge(key, facts, known))),
    ...(rules.likely === undefined ? {} : {
      likely: (key) => {
        const to: unknown = asked("likely", rules, key, () => rules.likely!(key));
        return typeof to === "string" ? to : null;
      },
    }),
    questions: (key, facts) => asked("questions", rules, key, () => rules.questions(key, facts)),
    ...(lists === undefined ? {} : {
      lists: {
        ownerOf: (list) => asked("ownerOf", rules, list.source, () => lists.ownerOf(list)),
        ofCopy: (key) => asked("ofCopy", rules, key, () => lists.ofCopy(key)),
        recordOf: (list, field) =>
          asked("recordOf", rules, list.source, () => lists.recordOf(list, field)) ??
            noRecord(list.source, field),
      },
    }),
  };
}

function checkTarget(key: Binary, to: Destination): void {
  const target: unknown = to?.target;
  if (typeof target === "string" && target !== "" && isBytes(target)) return;
  const fault = typeof target !== "string"
    ? "no target is told"
    : target === ""
    ? "its target is empty"
    : "its target is text, encodeText() makes the bytes that are stored of it";
  throw new RegistryError(`Cannot copy "${display(key)}": ${fault}`, {
    hint: "judge() and decide() have to answer null for a key to leave alone",
  });
}

function noRecord(list: Binary, field: Binary): never {
  throw new RegistryError(
    `Cannot tell what "${display(field)}" in the list "${
      display(list)
    }" stands for: recordOf() names no record`,
    { hint: "ownerOf() has to answer null for a hash that lists anything but records" },
  );
}
