import { importOnNode } from '../../node/import-on-node';
import type { NativeFunctionName, NativeFunctions } from './library';

type WorkerThreads = typeof import('node:worker_threads');
type Worker = InstanceType<WorkerThreads['Worker']>;

/** Arguments of one call, the scratch memory left out: each thread adds its own at the end. */
export type Task = readonly number[];

/** What a job has room for: tasks, and arguments of each. */
export const MAX_TASKS = 255;
const MAX_ARGUMENTS = 32;

/**
 * Words that the threads share; the arguments of the tasks follow. A ticket has the number of the job in its upper bits, so
 * that a late thread cannot take from a job that it did not look at, and how many tasks nobody has taken in its lower eight.
 */
const [JOBS, TICKET, UNFINISHED, KERNEL, ARGUMENTS, FAILURES, ENDED] = [0, 1, 2, 3, 4, 5, 6] as const;
const HEADER_BYTES = 64;

/**
 * How long a thread looks for work, and the asking thread for the last results, before it sleeps, in milliseconds: longer
 * than JavaScript takes from one kernel to the next, because waking a thread costs more.
 */
const PATIENCE = 0.2;

/** What a thread runs; its `takeTasks` is `#takeTasks` below. A string, so that no bundler has a file to find. */
const thread = `
const { parentPort, workerData } = require('node:worker_threads');
const { module, memory, names, shared, scratch } = workerData;
const words = new Int32Array(shared, 0, ${HEADER_BYTES / 4});
const values = new Float64Array(shared, ${HEADER_BYTES});
const { exports } = new WebAssembly.Instance(module, { env: { memory } });
const functions = names.map((name) => exports[name]);
function takeTasks() {
  for (;;) {
    const ticket = Atomics.load(words, ${TICKET});
    const untaken = ticket & ${MAX_TASKS};
    if (untaken === 0) return;
    if (Atomics.compareExchange(words, ${TICKET}, ticket, ticket - 1) !== ticket) continue;
    const from = (untaken - 1) * ${MAX_ARGUMENTS};
    try {
      functions[words[${KERNEL}]](...values.subarray(from, from + words[${ARGUMENTS}]), scratch);
    } catch {
      Atomics.add(words, ${FAILURES}, 1);
    }
    if (Atomics.sub(words, ${UNFINISHED}, 1) === 1) Atomics.notify(words, ${UNFINISHED});
  }
}
parentPort.postMessage('ready');
while (Atomics.load(words, ${ENDED}) === 0) {
  const jobs = Atomics.load(words, ${JOBS});
  takeTasks();
  const end = performance.now() + ${PATIENCE};
  while (Atomics.load(words, ${JOBS}) === jobs) {
    if (performance.now() > end) Atomics.wait(words, ${JOBS}, jobs);
  }
}
`;

/**
 * Threads of Node that run the native kernels on the memory of one tfjs wasm instance, together with the thread that asks.
 * They neither keep the process alive nor outlive it.
 */
export class ThreadPool {
  readonly #names: readonly NativeFunctionName[];
  readonly #words: Int32Array;
  readonly #values: Float64Array;
  #workers: readonly Worker[] = [];

  private constructor(
    private readonly functions: NativeFunctions,
    shared: SharedArrayBuffer,
  ) {
    this.#names = Object.keys(functions) as NativeFunctionName[];
    this.#words = new Int32Array(shared, 0, HEADER_BYTES / 4);
    this.#values = new Float64Array(shared, HEADER_BYTES);
  }

  /**
   * @param module the kernels, compiled for shared memory
   * @param scratches the address of scratch memory for each thread to start
   */
  static async start(
    module: WebAssembly.Module,
    memory: WebAssembly.Memory,
    functions: NativeFunctions,
    scratches: readonly number[],
  ): Promise<ThreadPool> {
    const { Worker } = (await importOnNode('node:worker_threads')) as WorkerThreads;
    const shared = new SharedArrayBuffer(HEADER_BYTES + 8 * MAX_TASKS * MAX_ARGUMENTS);
    const pool = new ThreadPool(functions, shared);
    pool.#workers = scratches.map((scratch) => {
      const workerData = { module, memory, names: pool.#names, shared, scratch };
      return new Worker(thread, { eval: true, workerData, execArgv: [], name: 'sd-wasm' });
    });
    try {
      await Promise.all(pool.#workers.map(ready));
    } catch (error) {
      await pool.stop();
      throw error;
    }
    for (const worker of pool.#workers) worker.unref();
    return pool;
  }

  /** Threads that work on a job, with the asking one. */
  get threads(): number {
    return this.#workers.length + 1;
  }

  /** Runs the tasks in any order, some of them on the calling thread, and comes back when all are done. */
  run(name: NativeFunctionName, tasks: readonly Task[], scratch: number): void {
    const [words, values] = [this.#words, this.#values];
    for (const [i, task] of tasks.entries()) values.set(task, i * MAX_ARGUMENTS);
    words[KERNEL] = this.#names.indexOf(name);
    words[ARGUMENTS] = tasks[0]?.length ?? 0;
    Atomics.store(words, UNFINISHED, tasks.length);
    const job = Atomics.load(words, JOBS) + 1;
    Atomics.store(words, TICKET, (job << 8) | tasks.length);
    Atomics.store(words, JOBS, job);
    Atomics.notify(words, JOBS);
    this.#takeTasks(name, tasks, scratch);
    this.#awaitOthers();
    if (Atomics.exchange(words, FAILURES, 0) > 0) throw new Error(`${name}: failed on one of ${this.threads} threads`);
  }

  /** Ends the threads. */
  async stop(): Promise<void> {
    Atomics.store(this.#words, ENDED, 1);
    Atomics.add(this.#words, JOBS, 1);
    Atomics.notify(this.#words, JOBS);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
    this.#workers = [];
  }

  #takeTasks(name: NativeFunctionName, tasks: readonly Task[], scratch: number): void {
    for (;;) {
      const ticket = Atomics.load(this.#words, TICKET);
      const untaken = ticket & MAX_TASKS;
      if (untaken === 0) return;
      if (Atomics.compareExchange(this.#words, TICKET, ticket, ticket - 1) !== ticket) continue;
      try {
        this.functions[name](...(tasks[untaken - 1] as Task), scratch);
      } catch {
        Atomics.add(this.#words, FAILURES, 1);
      }
      Atomics.sub(this.#words, UNFINISHED, 1);
    }
  }

  #awaitOthers(): void {
    const end = performance.now() + PATIENCE;
    for (;;) {
      const unfinished = Atomics.load(this.#words, UNFINISHED);
      if (unfinished === 0) return;
      if (performance.now() > end) Atomics.wait(this.#words, UNFINISHED, unfinished);
    }
  }
}

function ready(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once('message', () => resolve());
    worker.once('error', reject);
    worker.once('exit', (code) => reject(new Error(`a thread ended with code ${code} before it was ready`)));
  });
}
