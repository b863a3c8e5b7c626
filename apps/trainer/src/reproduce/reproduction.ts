import type { OpenProgress } from '../console/progress';
import type { Pieces } from './pieces';
import type { Outcome } from './reproduction-result';
import type { Scale } from './scale';

/** One figure or table of the paper: what it says, and how it is made again. */
export type Reproduction = {
  /** As on the command line: `fig3`, `table2`. */
  readonly name: string;
  readonly title: string;
  /** What the paper shows or says there. */
  readonly paper: string;
  /** What is done here, with the choices that the paper leaves open. */
  readonly method: string;
  /**
   * @throws {MissingModels} @throws {UserError} where something else that it needs is missing. @throws {PiecesDone}
   * @throws {OutOfTime} @throws the signal's reason.
   */
  run(context: ReproductionContext): Promise<Outcome>;
};

export type ReproductionContext = {
  readonly scale: Scale;
  /** Of everything random; runs with several seeds count on from it. */
  readonly seed: number;
  /** Where this figure or table keeps its files. */
  readonly folder: string;
  /** A run folder of trained models, as `sd demo` leaves it. */
  readonly models: string;
  /** What is computed once and kept. */
  readonly pieces: Pieces;
  /** Pictures in place of generated images, for what trains models of its own. */
  readonly photographs?: { readonly folder: string; readonly firstStage: string } | undefined;
  /** Steps that students are trained, in place of the scale's. */
  readonly steps?: number | undefined;
  /** Steps of those that are trained longer besides, in place of the scale's. */
  readonly longer?: number | undefined;
  /** Noisy examples that students draw from, so that what the teacher says of them is kept; else every step has new ones. */
  readonly examples?: number | undefined;
  readonly openProgress: OpenProgress;
  /** Aborted by Ctrl-C and when the time is up. */
  readonly signal: AbortSignal;
  /** Takes lines for the user. */
  readonly report: (line: string) => void;
};
