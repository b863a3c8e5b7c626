import { appendFile, readFile } from 'node:fs/promises';
import { describeFileError, writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';

/** One logged step. */
export type MetricsRow = {
  readonly step: number;
  readonly loss: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Seconds of training so far, over all resumptions. */
  readonly seconds: number;
  readonly parts: Readonly<Record<string, number>>;
};

/** A JSON object per line, appended as the training goes. */
export class MetricsLog {
  readonly #rows: MetricsRow[];

  private constructor(
    private readonly path: string,
    /** Rows of the steps before this run. */
    readonly earlier: readonly MetricsRow[],
  ) {
    this.#rows = [...earlier];
  }

  /** All rows, those of this run too. */
  get rows(): readonly MetricsRow[] {
    return this.#rows;
  }

  /** Starts a log, or continues one from `step`: rows of later steps, which will come again, are cut. */
  static async open(path: string, step: number): Promise<MetricsLog> {
    const earlier = (await readMetrics(path)).filter((row) => row.step < step);
    await writeAtomically(path, earlier.map((row) => `${JSON.stringify(row)}\n`).join(''));
    return new MetricsLog(path, earlier);
  }

  /** @throws {UserError} when the log cannot be written. */
  async append(rows: readonly MetricsRow[]): Promise<void> {
    try {
      await appendFile(this.path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      this.#rows.push(...rows);
    } catch (error) {
      throw new UserError(`cannot write ${this.path}: ${describeFileError(error as NodeJS.ErrnoException)}`);
    }
  }
}

/** Rows of a log; none where there is no log. A last line cut short by a crash is left out. */
export async function readMetrics(path: string): Promise<MetricsRow[]> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    try {
      return line ? [JSON.parse(line) as MetricsRow] : [];
    } catch {
      return [];
    }
  });
}
