/**
 * Holds what the runners send, so that something else happens between two of their commands: the point at which it happens
 * is a count of commands, which a seed decides, and no matter of time.
 *
 * @module
 */

/** All commands of all runners pass here. */
export class Gate {
  #left = Infinity;
  #held: (() => void)[] = [];
  #reached: (() => void) | null = null;
  #passed = 0;

  /** How often something passed so far. */
  get passed(): number {
    return this.#passed;
  }

  /** Waits while the gate is closed. Called by whoever carries a command. */
  async pass(): Promise<void> {
    while (this.#left <= 0) {
      this.#reached?.();
      await new Promise<void>((resolve) => this.#held.push(resolve));
    }
    this.#left--;
    this.#passed++;
  }

  /**
   * Lets so many commands through, then closes before the next one. None: it closes at once.
   *
   * @param patienceMs When nothing passes for so long, the gate closes too: all may be waiting for something.
   * @param isOver Asked now and then: true when there is nobody left to wait for.
   */
  async after(count: number, patienceMs: number, isOver: () => boolean): Promise<void> {
    this.#left = count;
    if (count <= 0) return;
    this.#release();
    let [seen, since] = [this.#passed, performance.now()];
    const reached = new Promise<void>((resolve) => this.#reached = resolve);
    while (this.#left > 0 || this.#held.length === 0) {
      const done = await Promise.race([reached.then(() => true), tick().then(() => false)]);
      if (done || isOver()) break;
      if (this.#passed !== seen) [seen, since] = [this.#passed, performance.now()];
      if (performance.now() - since > patienceMs) break;
    }
    this.#reached = null;
    this.#left = 0;
  }

  /** Lets everything through from now on. */
  open(): void {
    this.#left = Infinity;
    this.#release();
  }

  #release(): void {
    for (const resume of this.#held.splice(0)) resume();
  }
}

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 5));
}
