import { copyFile, link, mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StageFolder } from '../config/run-folder';
import { describeFileError, writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';
import type { MetricsRow } from './metrics-log';

export type KeeperOptions = {
  /** Checkpoints that are kept, the last one included. */
  readonly keepCheckpoints: number;
  /** Also keep the one after the lowest mean loss between two checkpoints. */
  readonly keepBest: boolean;
  readonly checkpointEvery: number;
};

/**
 * Keeps earlier checkpoints beside the last: as second names of the same files, so that they take no time to make, where the
 * disk's format has such.
 */
export class CheckpointKeeper {
  constructor(
    private readonly folder: StageFolder,
    private readonly options: KeeperOptions,
  ) {}

  /**
   * To be called when the last checkpoint has been written.
   * @param step of the checkpoint. @param rows of the log, at least those since the checkpoint before.
   * @throws {UserError} when a file cannot be made.
   */
  async keep(step: number, rows: readonly MetricsRow[]): Promise<void> {
    const { keepCheckpoints, keepBest } = this.options;
    if (keepCheckpoints > 1) {
      await this.#name(join(this.folder.checkpoints, `step-${String(step).padStart(8, '0')}.safetensors`));
      await this.#forget(step);
    }
    if (keepBest) await this.#keepBest(step, rows);
  }

  /** The last ones up to this step stay; later ones are of a run that was given up. */
  async #forget(step: number): Promise<void> {
    const kept = (await readdir(this.folder.checkpoints)).filter((name) => /^step-\d+\.safetensors$/.test(name)).sort();
    const earlier = kept.filter((name) => stepOf(name) <= step);
    const surplus = [...kept.filter((name) => stepOf(name) > step), ...earlier.slice(0, -this.options.keepCheckpoints)];
    for (const name of surplus) await rm(join(this.folder.checkpoints, name), { force: true });
  }

  async #keepBest(step: number, rows: readonly MetricsRow[]): Promise<void> {
    const since = rows.filter((row) => row.step >= step - this.options.checkpointEvery && row.step < step);
    if (since.length === 0) return;
    const loss = since.reduce((sum, row) => sum + row.loss, 0) / since.length;
    const best = await this.#best();
    if (best !== undefined && best.step < step && best.loss <= loss) return;
    await this.#name(this.folder.bestCheckpoint);
    await writeAtomically(this.folder.best, `${JSON.stringify({ step, loss })}\n`);
  }

  async #best(): Promise<{ readonly step: number; readonly loss: number } | undefined> {
    try {
      const { step, loss } = JSON.parse(await readFile(this.folder.best, 'utf8')) as Record<string, unknown>;
      return typeof step === 'number' && typeof loss === 'number' ? { step, loss } : undefined;
    } catch {
      return undefined; // none yet
    }
  }

  /** Gives the last checkpoint another name, whole or not at all. */
  async #name(path: string): Promise<void> {
    const temporary = `${path}.${process.pid}-0.tmp`;
    try {
      await mkdir(this.folder.checkpoints, { recursive: true });
      await rm(temporary, { force: true });
      await link(this.folder.checkpoint, temporary).catch(() => copyFile(this.folder.checkpoint, temporary));
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => {});
      throw new UserError(`cannot write ${path}: ${describeFileError(error as NodeJS.ErrnoException)}`);
    }
  }
}

function stepOf(name: string): number {
  return Number(/\d+/.exec(name)?.[0]);
}
