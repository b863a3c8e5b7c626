import type { Clipping } from './clip-sample';
import { type Combination, OUTPUT, SAMPLE, sum, X } from './combination';
import { type PredictionType, predictionMap } from './prediction';
import { checkStart, refuseEta } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import type { Point, SolverGrid } from './solver-grid';

/** What these solvers take for the model: its x_0, or its eps. */
export type Predicts = 'data' | 'noise';

export type SolverCall = {
  readonly from: Point;
  readonly to: Point;
  readonly predictionType: PredictionType;
  readonly clipping: Clipping | null;
};

/** What a call of the model has in common, whichever solver makes it. */
export function solverCall(
  operation: string,
  { from, to, predictionType, clipping }: SolverCall,
): Omit<PlannedStep, 'x'> {
  return {
    t: from.t,
    level: from,
    nextLevel: to,
    toSample: predictionMap(operation, predictionType, 'sample', from),
    clipping,
    drawsNoise: false,
  };
}

/** The prediction of this call: x_0 or eps, the latter from the thresholded x_0 where there is such. */
export function prediction(operation: string, predicts: Predicts, call: SolverCall): Combination {
  const { from, predictionType, clipping } = call;
  if (predicts === 'data') return SAMPLE;
  if (clipping !== null) return sum([1 / from.noise, X], [-from.signal / from.noise, SAMPLE]);
  const map = predictionMap(operation, predictionType, 'epsilon', from);
  return sum([map.x, X], [map.output, OUTPUT]);
}

/** The sampler that makes its plans on the points of a grid. */
export function solverSampler(
  name: string,
  grid: SolverGrid,
  plan: (operation: string, points: readonly Point[], start: number) => readonly PlannedStep[],
): Sampler {
  return {
    timesteps(steps) {
      const points = grid.points(`${name}.timesteps`, { steps, timesteps: null, sigmas: null });
      return points.slice(0, -1).map(({ t }) => t);
    },
    initNoiseSigma: () => 1,
    plan(operation, run) {
      refuseEta(operation, name, run.eta);
      const points = grid.points(operation, run);
      checkStart(operation, run.start, points.length - 1);
      return plan(operation, points, run.start);
    },
  };
}
