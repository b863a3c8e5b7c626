import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { writeAtomically } from '../files/atomic-file';

/** The time that the command was given is up: what is done is kept, and the same command goes on from there. */
export class OutOfTime extends Error {
  override readonly name = 'OutOfTime';
}

const kept = z.object({ settings: z.string(), seconds: z.number(), value: z.unknown().optional() });

/**
 * Parts of a long computation that are computed once and kept, a JSON file each. A piece is taken again while the
 * settings that it was computed with are the same; else, or where its file is broken, it is computed anew.
 */
export class Pieces {
  #seconds = 0;

  constructor(
    private readonly folder: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Of computing all pieces that were asked for, in this run of the command or an earlier one. */
  get seconds(): number {
    return this.#seconds;
  }

  /** @throws the signal's reason where a piece is yet to be computed and the signal is aborted. */
  async get<T>(name: string, settings: unknown, schema: z.ZodType<T>, compute: () => Promise<T>): Promise<T> {
    const file = join(this.folder, `${name}.json`);
    const wanted = JSON.stringify(settings);
    const known = await readKept(file);
    if (known?.settings === wanted && known.value !== undefined) {
      const value = schema.safeParse(known.value);
      if (value.success) {
        this.#seconds += known.seconds;
        return value.data;
      }
    }
    this.signal.throwIfAborted();
    const earlier = known?.settings === wanted ? known.seconds : 0;
    const started = performance.now();
    const spent = () => earlier + (performance.now() - started) / 1000;
    try {
      const value = await compute();
      await writeAtomically(file, json({ settings: wanted, seconds: spent(), value }));
      return schema.parse(value);
    } catch (error) {
      // What an interrupted piece has cost is part of what it costs.
      if (error === this.signal.reason) await writeAtomically(file, json({ settings: wanted, seconds: spent() }));
      throw error;
    } finally {
      this.#seconds += spent();
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
