/** How much of a time was spent waiting for data. */
export class WaitingClock {
  readonly #started: number;
  #waited = 0;

  /** @param now in milliseconds. */
  constructor(private readonly now: () => number = () => performance.now()) {
    this.#started = now();
  }

  /** Runs what is waited for. */
  async time<T>(run: () => Promise<T>): Promise<T> {
    const started = this.now();
    try {
      return await run();
    } finally {
      this.#waited += this.now() - started;
    }
  }

  /** In [0, 1], of the time since the clock was made. */
  get share(): number {
    const total = this.now() - this.#started;
    return total > 0 ? this.#waited / total : 0;
  }
}
