/** Wall time of the named parts of a job. */
export class Stopwatch {
  readonly #started = performance.now();
  readonly #parts: { name: string; seconds: number }[] = [];

  /** Runs a part and notes how long it took, also when it fails. */
  async time<T>(name: string, run: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await run();
    } finally {
      this.#parts.push({ name, seconds: (performance.now() - started) / 1000 });
    }
  }

  get parts(): readonly { readonly name: string; readonly seconds: number }[] {
    return this.#parts;
  }

  /** Seconds since it was made. */
  total(): number {
    return (performance.now() - this.#started) / 1000;
  }
}
