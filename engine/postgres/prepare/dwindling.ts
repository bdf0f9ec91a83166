/**
 * Whether something gets less that others add to.
 *
 * @module
 */

/** Follows a number that should go down. */
export class Dwindling {
  readonly #looks: number;
  #least = Infinity;
  #inVain = 0;

  /** @param looks In vain, one after the other, after which it is certain that it does not. */
  constructor(looks: number) {
    this.#looks = looks;
  }

  /** True as long as it went down by a tenth within the last looks. Whatever it is, that is so only so often. */
  by(left: number): boolean {
    const less = left < this.#least * 0.9;
    if (less) this.#least = left;
    this.#inVain = less ? 0 : this.#inVain + 1;
    return this.#inVain < this.#looks;
  }
}
