/**
 * Chooses which originals a walk of cleanup deletes: what proves or tells apart others goes after these.
 *
 * @module
 */

import { display } from "../binary.ts";
import type { WriteContext } from "../context.ts";
import type { Tally } from "../walk/tally.ts";
import type { CopyChange } from "./change.ts";
import type { Content } from "./content.ts";
import type { Pair } from "./pairs.ts";
import { tellsApart } from "./telling.ts";
import { faultOf, type JudgedPair } from "./weigh.ts";

/** Why nobody deletes or overwrites it for its copy. */
export const AMBIGUOUS = "it may be another record as well";

/** A walk of cleanup. */
export interface Turn {
  /** Whose turn it is: theirs that prove nothing of others, theirs that prove lists, or theirs that tell others apart. */
  readonly whose: "others" | "proving" | "telling";
  readonly lookalikes: boolean;
  /** Something was kept by the walks before this one. */
  readonly isKept: boolean;
  /** How many records were left for a later turn. */
  readonly deferred: { proving: number; telling: number };
}

/** An original that may go, and what it and its copy were when that was found. */
export interface Proven {
  readonly pair: Pair;
  readonly original: Content;
  readonly copy: Content;
}

/** The walk that comes before all others. */
export function firstTurn(lookalikes: boolean): Turn {
  return { whose: "others", lookalikes, isKept: false, deferred: { proving: 0, telling: 0 } };
}

/** True when originals were kept that are some for sure. */
export function isAnyKept({ failed, failures }: Tally): boolean {
  return failed > failures.size || [...failures.values()].some((why) => why !== AMBIGUOUS);
}

/** Those whose turn it is. What is ambiguous is counted as kept. */
export function due<One extends Pair>(
  change: CopyChange,
  { tally }: Pick<WriteContext, "tally">,
  turn: Turn,
  pairs: readonly One[],
): One[] {
  return pairs.filter((pair) => {
    const tells = tellsApart(change, pair);
    if (tells && turn.whose !== "telling") turn.deferred.telling++;
    if (tells !== (turn.whose === "telling")) return false;
    if (pair.ambiguous !== true) return true;
    // Told in the first turn: later the originals are gone by which a copy is known for one.
    if (tells || turn.whose === "others") tally.fail(pair.source, AMBIGUOUS);
    return false;
  });
}

/** Counts what is not proven. @returns What is. */
export function choose(
  change: CopyChange,
  { tally }: Pick<WriteContext, "tally">,
  portion: readonly JudgedPair<Pair>[],
  { whose, isKept, deferred }: Turn,
): Proven[] {
  return portion.flatMap(({ pair, original, copy, verdict }) => {
    if (verdict !== "same" && verdict !== "newer") {
      const deleted = `the application has deleted its copy ${
        display(pair.target)
      }; resolve, naming it, deletes it for the copy`;
      tally.fail(pair.source, faultOf(verdict, pair.target) ?? deleted);
      return [];
    }
    if (whose === "others" && verdict === "newer" && change.lists?.ownerOf(pair) === null) {
      deferred.proving++;
      return [];
    }
    if (whose === "telling" && isKept) {
      tally.fail(pair.source, "others that are kept may be known by it");
      return [];
    }
    return [{ pair, original, copy: copy! }];
  });
}
