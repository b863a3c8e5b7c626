import { join, resolve } from 'node:path';
import type { BackendName } from '@sd/backend';
import { interruptSignal } from '../console/interrupt';
import { openProgressBar } from '../console/progress';
import { estimateFull } from '../reproduce/cost/estimate';
import { estimateTable } from '../reproduce/cost/estimate-table';
import { MissingModels } from '../reproduce/missing-models';
import { OutOfTime, type PieceChoice, Pieces, PiecesDone } from '../reproduce/pieces';
import type { NotRun } from '../reproduce/report/not-run';
import { markdownTable } from '../reproduce/report/reproduction-docs';
import { writeReproductionReport } from '../reproduce/report/reproduction-report';
import type { Reproduction } from '../reproduce/reproduction';
import { writeResult } from '../reproduce/reproduction-result';
import { chosenReproductions, REPRODUCTIONS } from '../reproduce/reproductions';
import type { Scale } from '../reproduce/scale';
import { timeLimit } from '../reproduce/time-limit';
import { UserError } from '../user-error';
import { say, withBackend } from './context';

export type ReproduceOptions = {
  readonly scale: Scale;
  readonly out: string;
  readonly models: string;
  readonly seed: number;
  readonly minutes?: number;
  readonly backend?: BackendName | 'auto';
  /** Compute pieces alone: all of them, or those whose names begin so. */
  readonly pieces?: true | readonly string[];
  /** Compute nothing. */
  readonly finished?: boolean;
  /** A folder of photographs. */
  readonly data?: string;
  /** The first stage of the photographs. */
  readonly firstStage?: string;
  readonly steps?: number;
  /** Of students that are trained longer besides. */
  readonly longer?: number;
  /** Of the ablation, so that its teacher's outputs are kept. */
  readonly examples?: number;
  /** Say what the paper's scale costs. */
  readonly estimate?: boolean;
};

/** What the command's process ends with when the time is up and there is more to do (sysexits' EX_TEMPFAIL). */
export const UNFINISHED = 75;

/**
 * `sd reproduce <names...>`: makes figures and tables of the paper and a report of all that its folder holds. Where several
 * are asked for, those whose models are missing are passed over and named at the end.
 * @returns what is printed.
 */
export async function reproduce(names: readonly string[], options: ReproduceOptions): Promise<string> {
  if (options.estimate) {
    return withBackend(options.backend ?? 'auto', async (backend) =>
      markdownTable(estimateTable(await estimateFull(resolve(options.out), backend))),
    );
  }
  if (names.length === 0) return REPRODUCTIONS.map(({ name, title }) => `${name.padEnd(8)} ${title}`).join('\n');
  const chosen = chosenReproductions(names);
  const out = resolve(options.out);
  const choice = pieceChoice(options);
  const photographs = givenPhotographs(options);
  const { scale, seed, minutes, steps, longer, examples } = options;
  const interruption = interruptSignal();
  const { signal, stop } = timeLimit(interruption.signal, minutes);
  const notRun: NotRun[] = [];
  const done: string[] = [];
  const draws = choice === 'all' || choice === 'none';

  /** Runs one and writes what it finds. */
  const runOne = async ({ run, ...words }: Reproduction, backend: string) => {
    const folder = join(out, scale, words.name);
    const pieces = new Pieces(join(folder, 'pieces'), signal, choice, backend);
    say(words.title);
    const { figures, ...outcome } = await run({
      scale,
      seed,
      folder,
      models: resolve(options.models),
      photographs,
      steps,
      longer,
      examples,
      pieces,
      openProgress: openProgressBar,
      signal,
      report: say,
    });
    const { seconds, backends } = pieces;
    const computedOn = backends.length > 0 ? backends.join('; ') : backend;
    const date = new Date().toISOString();
    const facts = { format: 'sd-reproduction-1', scale, seed, date, backend: computedOn } as const;
    await writeResult(folder, { ...words, ...facts, seconds, ...outcome }, figures);
  };

  try {
    return await withBackend(options.backend ?? 'auto', async (backend) => {
      try {
        for (const one of chosen) {
          try {
            await runOne(one, backend);
          } catch (error) {
            if (error instanceof PiecesDone) done.push(`${one.name}: ${error.message}`);
            else if (error instanceof MissingModels && chosen.length > 1) {
              notRun.push({ name: one.name, title: one.title, reason: error.message });
            } else throw error;
          }
        }
      } catch (error) {
        if (!(error instanceof OutOfTime)) throw error;
        process.exitCode = UNFINISHED;
        return `${error.message}, and there is more to do: the same command goes on`;
      } finally {
        if (draws) await writeReproductionReport(out, notRun);
      }
      const passed = notRun.map(({ name, reason }) => `not run: ${name}: ${reason}`);
      return [...(draws ? [join(out, 'report.html')] : done), ...passed].join('\n');
    });
  } finally {
    stop();
    interruption.stop();
  }
}

function pieceChoice({ pieces, finished }: ReproduceOptions): PieceChoice {
  if (pieces && finished) throw new UserError('--pieces computes and --finished does not: give one of them');
  if (finished) return 'none';
  if (!pieces) return 'all';
  return { only: pieces === true ? [''] : pieces };
}

function givenPhotographs({ data, firstStage }: ReproduceOptions) {
  if (data === undefined && firstStage === undefined) return undefined;
  if (data === undefined || firstStage === undefined) {
    throw new UserError('photographs are encoded by a first stage that is given: --data and --first-stage go together');
  }
  return { folder: resolve(data), firstStage: resolve(firstStage) };
}
