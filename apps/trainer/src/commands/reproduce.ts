import { join, resolve } from 'node:path';
import type { BackendName } from '@sd/backend';
import { interruptSignal } from '../console/interrupt';
import { openProgressBar } from '../console/progress';
import { OutOfTime, Pieces } from '../reproduce/pieces';
import { writeReproductionReport } from '../reproduce/report/reproduction-report';
import { writeResult } from '../reproduce/reproduction-result';
import { chosenReproductions, REPRODUCTIONS } from '../reproduce/reproductions';
import type { Scale } from '../reproduce/scale';
import { timeLimit } from '../reproduce/time-limit';
import { say, withBackend } from './context';

export type ReproduceOptions = {
  readonly scale: Scale;
  readonly out: string;
  readonly models: string;
  readonly seed: number;
  readonly minutes?: number;
  readonly backend?: BackendName | 'auto';
};

/** What the command's process ends with when the time is up and there is more to do (sysexits' EX_TEMPFAIL). */
export const UNFINISHED = 75;

/**
 * `sd reproduce <names...>`: makes figures and tables of the paper and a report of all that its folder holds.
 * @returns what is printed.
 */
export async function reproduce(names: readonly string[], options: ReproduceOptions): Promise<string> {
  if (names.length === 0) return REPRODUCTIONS.map(({ name, title }) => `${name.padEnd(8)} ${title}`).join('\n');
  const chosen = chosenReproductions(names);
  const out = resolve(options.out);
  const { scale, seed, minutes } = options;
  const interruption = interruptSignal();
  const { signal, stop } = timeLimit(interruption.signal, minutes);
  try {
    return await withBackend(options.backend ?? 'auto', async (backend) => {
      const report = join(out, 'report.html');
      try {
        for (const { run, ...words } of chosen) {
          const folder = join(out, scale, words.name);
          const pieces = new Pieces(join(folder, 'pieces'), signal);
          say(words.title);
          const { figures, ...outcome } = await run({
            scale,
            seed,
            folder,
            models: resolve(options.models),
            pieces,
            openProgress: openProgressBar,
            signal,
            report: say,
          });
          const { seconds } = pieces;
          const facts = { format: 'sd-reproduction-1', scale, seed, date: new Date().toISOString(), backend } as const;
          await writeResult(folder, { ...words, ...facts, seconds, ...outcome }, figures);
        }
      } catch (error) {
        if (!(error instanceof OutOfTime)) throw error;
        process.exitCode = UNFINISHED;
        return `${error.message}, and there is more to do: the same command goes on`;
      } finally {
        await writeReproductionReport(out);
      }
      return report;
    });
  } finally {
    stop();
    interruption.stop();
  }
}
