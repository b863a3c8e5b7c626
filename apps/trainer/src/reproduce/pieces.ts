import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';
import { Claim } from './claim';

/** The time that the command was given is up: what is done is kept, and the same command goes on from there. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

/** Pieces alone were asked for, and they are finished. */
export class PiecesDone extends Error {
  override readonly name = 'PiecesDone';
}

/** A part of a long computation. */
export type Piece<T> = {
  /** Of its file. */
  readonly name: string;
  /** All that it depends on, as JSON: the same on every machine that may take it. */
  readonly settings: unknown;
  compute(): Promise<T>;
  /** Whether what it needs of other pieces is there; by default it needs nothing. */
  ready?(): boolean;
};

/** Which pieces a run computes. */
export type PieceChoice =
  /** All that are missing. */
  | 'all'
  /** None: what is there is taken. */
  | 'none'
  /** Those alone whose names begin with one of these, and nothing is made of them: another run joins them. */
  | { readonly only: readonly string[] };

const kept = z.object({
  settings: z.string(),
  seconds: z.number(),
  /** What it was computed on. */
  backend: z.string().optional(),
  value: z.unknown().optional(),
});

type Known<T> = { readonly value: T; readonly seconds: number; readonly backend: string | undefined };

/** Between two looks at what other processes are working on. */
const LOOK_AGAIN_MS = 1000;

/**
 * Parts of a long computation that are computed once and kept, a JSON file each. A piece is taken again while the
 * settings that it was computed with are the same; else, or where its file is broken, it is computed anew.
 *
 * Any number of processes may share a folder, also over the network: each takes pieces that nobody is working on, and all
 * end with the same.
 */
export class Pieces {
  #seconds = 0;
  readonly #backends = new Set<string>();

  /** @param backend that pieces are computed on, in words. */
  constructor(
    private readonly folder: string,
    private readonly signal: AbortSignal,
    private readonly choice: PieceChoice = 'all',
    private readonly backend?: string,
  ) {}

  /** What the pieces that were asked for were computed on. */
  get backends(): readonly string[] {
    return [...this.#backends];
  }

  /** Of computing all pieces that were asked for, in this run of the command or an earlier one. */
  get seconds(): number {
    return this.#seconds;
  }

  /** One piece that others need: it is computed whichever are chosen. See `all`. */
  async get<T>(name: string, settings: unknown, schema: z.ZodType<T>, compute: () => Promise<T>): Promise<T> {
    const piece = { name, settings, compute };
    const found = await this.#gather(schema, [piece], this.choice !== 'none');
    return this.#complete(found, [piece])[0];
  }

  /**
   * The values of all pieces of a figure or table, in their order; to be asked for once.
   * @throws the signal's reason where a piece is yet to be computed and the signal is aborted.
   * @throws {UserError} where nothing is to be computed and one is missing. @throws {PiecesDone}
   */
  async all<T>(schema: z.ZodType<T>, pieces: readonly Piece<T>[]): Promise<T[]> {
    return this.#complete(await this.some(schema, pieces), pieces);
  }

  /** Their values by name: of all of them, or where nothing is to be computed of those that are finished. See `all`. */
  async some<T>(schema: z.ZodType<T>, pieces: readonly Piece<T>[]): Promise<Map<string, T>> {
    const { choice } = this;
    if (choice === 'all' || choice === 'none') return this.#gather(schema, pieces, choice === 'all');
    const chosen = pieces.filter(({ name }) => choice.only.some((start) => name.startsWith(start)));
    await this.#gather(schema, chosen, true);
    throw new PiecesDone(`${chosen.length} of ${pieces.length} pieces, which are in ${this.folder}`);
  }

  /** Of some pieces those that are finished; nothing is computed. */
  async finished<T>(schema: z.ZodType<T>, pieces: readonly Piece<T>[]): Promise<Map<string, T>> {
    return this.#gather(schema, pieces, false);
  }

  #complete<T>(found: ReadonlyMap<string, T>, pieces: readonly Piece<T>[]): T[] {
    const missing = pieces.flatMap(({ name }) => (found.has(name) ? [] : [name]));
    if (missing.length === 0) return pieces.map(({ name }) => found.get(name) as T);
    throw new UserError(
      `${this.folder}: ${missing.length} of ${pieces.length} pieces are not finished: ${missing.join(', ')}`,
    );
  }

  async #gather<T>(schema: z.ZodType<T>, pieces: readonly Piece<T>[], computes: boolean): Promise<Map<string, T>> {
    const found = new Map<string, T>();
    for (;;) {
      for (const piece of pieces) {
        if (found.has(piece.name)) continue;
        const known = await this.#known(piece, schema);
        if (known) this.#take(found, piece.name, known);
        else if (computes) await this.#tryToCompute(found, piece, schema);
      }
      if (!computes || found.size === pieces.length) return found;
      // The others are being computed elsewhere, or wait for such.
      await sleep(LOOK_AGAIN_MS * (0.5 + Math.random()), this.signal);
    }
  }

  #take<T>(found: Map<string, T>, name: string, { value, seconds, backend }: Known<T>): void {
    found.set(name, value);
    this.#seconds += seconds;
    if (backend !== undefined) this.#backends.add(backend);
  }

  #file(name: string): string {
    return join(this.folder, `${name}.json`);
  }

  async #known<T>({ name, settings }: Piece<T>, schema: z.ZodType<T>): Promise<Known<T> | undefined> {
    const known = await readKept(this.#file(name));
    if (known?.settings !== JSON.stringify(settings) || known.value === undefined) return undefined;
    const value = schema.safeParse(known.value);
    return value.success ? { value: value.data, seconds: known.seconds, backend: known.backend } : undefined;
  }

  /** Computes a piece unless another process does, or it is not its turn. */
  async #tryToCompute<T>(found: Map<string, T>, piece: Piece<T>, schema: z.ZodType<T>): Promise<void> {
    this.signal.throwIfAborted();
    if (piece.ready?.() === false) return;
    const claim = await Claim.take(this.#file(piece.name));
    if (!claim) return;
    try {
      // Another process may have finished it just before.
      const known = (await this.#known(piece, schema)) ?? (await this.#compute(piece, schema));
      this.#take(found, piece.name, known);
    } finally {
      await claim.release();
    }
  }

  async #compute<T>({ name, settings, compute }: Piece<T>, schema: z.ZodType<T>): Promise<Known<T>> {
    const file = this.#file(name);
    const wanted = JSON.stringify(settings);
    const before = await readKept(file);
    const earlier = before?.settings === wanted ? before.seconds : 0;
    const started = performance.now();
    const spent = () => earlier + (performance.now() - started) / 1000;
    try {
      const value = await compute();
      const seconds = spent();
      const { backend } = this;
      await writeAtomically(file, json({ settings: wanted, seconds, ...(backend ? { backend } : {}), value }));
      return { value: schema.parse(value), seconds, backend };
    } catch (error) {
      // What an interrupted piece has cost is part of what it costs.
      if (error === this.signal.reason) await writeAtomically(file, json({ settings: wanted, seconds: spent() }));
      throw error;
    }
  }
}

async function readKept(file: string): Promise<z.infer<typeof kept> | undefined> {
  try {
    return kept.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined; // missing or broken: computed anew
  }
}

function json(value: z.infer<typeof kept>): string {
  return `${JSON.stringify(value, null, 1)}\n`;
}

/** @throws the signal's reason as soon as it is aborted. */
function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', abort);
      resolve();
    }, milliseconds);
    signal.addEventListener('abort', abort, { once: true });
  });
}
