/** Seconds. */
export type Times = { readonly processor: number; readonly clock: number };

/** Reads processor and clock as a job goes on. */
export class JobClock {
  #start: Times | undefined;
  #end: Times | undefined;
  #units = 0;

  constructor(private readonly from: number) {}

  look(done: number): void {
    if (done < this.from) return;
    const { user, system } = process.cpuUsage();
    const now = { processor: (user + system) / 1e6, clock: performance.now() / 1e3 };
    this.#start ??= now;
    this.#units = done - this.from;
    this.#end = now;
  }

  total(): Times {
    const [start, end] = [this.#start, this.#end];
    if (!start || !end) return { processor: 0, clock: 0 };
    return { processor: end.processor - start.processor, clock: end.clock - start.clock };
  }

  perUnit(): Times {
    const { processor, clock } = this.total();
    return { processor: processor / this.#units, clock: clock / this.#units };
  }
}
