import type { Clipping } from './clip-sample';
import { type Combination, SAMPLE, sum, X } from './combination';
import { varianceExploding } from './noise-level';
import { type PredictionType, predictionMap } from './prediction';
import type { PlannedStep } from './sampler';

export type KDiffusionCall = {
  readonly t: number;
  readonly sigma: number;
  /** Of x after the call. */
  readonly nextSigma: number;
  readonly predictionType: PredictionType;
  readonly clipping?: Clipping | null;
};

/** What a call of the model at x = x_0 + sigma eps has in common, whichever sampler makes it. */
export function kDiffusionCall(operation: string, call: KDiffusionCall): Omit<PlannedStep, 'x'> {
  const { t, sigma, nextSigma, predictionType, clipping = null } = call;
  const level = varianceExploding(sigma);
  return {
    t,
    inputScale: 1 / Math.hypot(sigma, 1),
    level,
    nextLevel: varianceExploding(nextSigma),
    toSample: predictionMap(operation, predictionType, 'sample', level),
    clipping,
    drawsNoise: false,
  };
}

/** dx / dsigma = (x - x_0) / sigma, the equation that all of these solve (Karras et al. 2022, algorithm 1). */
export function derivative(sigma: number): Combination {
  return sum([1 / sigma, X], [-1 / sigma, SAMPLE]);
}
