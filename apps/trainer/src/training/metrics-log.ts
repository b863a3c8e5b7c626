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

/** A JSON object per line, and a line of a table beside it, appended as the training goes. */
export class MetricsLog {
  readonly #rows: MetricsRow[];

  private constructor(
    private readonly path: string,
    /** Rows of the steps before this run. */
    readonly earlier: readonly MetricsRow[],
  ) {
    this.#rows = [...earlier];
  }

  /** The same rows as a table. */
  get csvPath(): string {
    return this.path.replace(/(\.jsonl)?$/, '.csv');
  }

  /** All rows, those of this run too. */
  get rows(): readonly MetricsRow[] {
    return this.#rows;
  }

  /** Starts a log, or continues one from `step`: rows of later steps, which will come again, are cut. */
  static async open(path: string, step: number): Promise<MetricsLog> {
    const earlier = (await readMetrics(path)).filter((row) => row.step < step);
    await writeAtomically(path, earlier.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const log = new MetricsLog(path, earlier);
    await writeAtomically(
      log.csvPath,
      earlier.length === 0 ? '' : csvHeader(earlier[0]) + earlier.map(csvLine).join(''),
    );
    return log;
  }

  /** @throws {UserError} when the log cannot be written. */
  async append(rows: readonly MetricsRow[]): Promise<void> {
    try {
      await appendFile(this.path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      const header = this.#rows.length === 0 && rows.length > 0 ? csvHeader(rows[0]) : '';
      await appendFile(this.csvPath, header + rows.map(csvLine).join(''));
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

// Numbers and names that the command gives itself: nothing in them needs quotes.

function csvHeader({ parts }: MetricsRow): string {
  return `${['step', 'loss', 'learning_rate', 'gradient_norm', 'seconds', ...Object.keys(parts)].join(',')}\n`;
}

function csvLine({ step, loss, learningRate, gradientNorm, seconds, parts }: MetricsRow): string {
  return `${[step, loss, learningRate, gradientNorm, seconds, ...Object.values(parts)].join(',')}\n`;
}
