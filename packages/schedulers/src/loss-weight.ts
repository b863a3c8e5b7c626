import { ArgumentError } from '@sd/core';
import { type ForwardProcess, snr } from './forward-process';
import type { PredictionType } from './prediction';

export type MinSnrOptions = {
  /** The ratio of signal to noise beyond which a timestep gains no more weight. */
  readonly gamma?: number;
  /** What the squared error is measured on. */
  readonly predictionType?: PredictionType;
};

/**
 * Min-SNR-gamma: the weight of a timestep's squared error, which is min(snr, gamma) on x_0 and the same thing on the
 * noise or the velocity. Source: Hang et al. 2023, "Efficient diffusion training via Min-SNR weighting strategy".
 * @param ratio abar / (1 - abar), see `Scheduler.snr`. @throws {ArgumentError} unless snr >= 0 and gamma > 0.
 */
export function minSnrWeight(ratio: number, { gamma = 5, predictionType = 'epsilon' }: MinSnrOptions = {}): number {
  checkSnr('minSnrWeight', ratio);
  if (!(gamma > 0)) throw new ArgumentError('minSnrWeight', 'gamma', 'a positive number', gamma);
  switch (predictionType) {
    case 'sample':
      return Math.min(ratio, gamma);
    case 'v_prediction':
      return Math.min(ratio, gamma) / (ratio + 1);
    case 'flow_prediction':
      return Math.min(ratio, gamma) / (Math.sqrt(ratio) + 1) ** 2;
    default:
      return ratio <= gamma ? 1 : gamma / ratio; // min(snr, gamma) / snr, and its limit at 0
  }
}

export type P2Options = {
  readonly k?: number;
  /** 0 gives back the unweighted error of the noise; the paper uses 0.5 and 1. */
  readonly gamma?: number;
  /** What the squared error is measured on. */
  readonly predictionType?: PredictionType;
};

/**
 * P2: the weight 1 / (k + snr)^gamma of a timestep's squared error of the noise, and the same thing on x_0 or the
 * velocity. Source: Choi et al. 2022, "Perception prioritized training of diffusion models".
 * @param ratio abar / (1 - abar), see `Scheduler.snr`. @throws {ArgumentError} unless snr >= 0, gamma >= 0 and k > 0.
 */
export function p2Weight(ratio: number, { k = 1, gamma = 1, predictionType = 'epsilon' }: P2Options = {}): number {
  checkSnr('p2Weight', ratio);
  if (!(k > 0)) throw new ArgumentError('p2Weight', 'k', 'a positive number', k);
  if (!(gamma >= 0)) throw new ArgumentError('p2Weight', 'gamma', 'a number >= 0', gamma);
  const weight = 1 / (k + ratio) ** gamma;
  switch (predictionType) {
    case 'sample':
      return weight * ratio; // |eps error|^2 = snr |x_0 error|^2
    case 'v_prediction':
      return (weight * ratio) / (ratio + 1); // |v error|^2 = (snr + 1) |x_0 error|^2
    case 'flow_prediction':
      return (weight * ratio) / (Math.sqrt(ratio) + 1) ** 2; // |flow error| = (sqrt(snr) + 1) |x_0 error|
    default:
      return weight;
  }
}

export type LossWeightOptions = {
  readonly predictionType?: PredictionType;
  /** Weights by `minSnrWeight`. */
  readonly minSnrGamma?: number;
  /** Weights by `p2Weight` with k = 1. */
  readonly p2Gamma?: number;
};

/**
 * The weight of each sample's squared error in a training step; 1 where no weighting is asked for.
 * @param t timesteps in [0, T).
 * @throws {ArgumentError} on timesteps out of range, gammas that are refused, and both weightings at once.
 */
export function lossWeight(process: ForwardProcess, t: readonly number[], options: LossWeightOptions = {}): number[] {
  const { predictionType = 'epsilon', minSnrGamma, p2Gamma } = options;
  if (minSnrGamma !== undefined && p2Gamma !== undefined) {
    throw new ArgumentError('lossWeight', 'p2Gamma', 'left out where minSnrGamma is given', p2Gamma);
  }
  return t.map((step) => {
    const ratio = snr(process, step);
    if (minSnrGamma !== undefined) return minSnrWeight(ratio, { gamma: minSnrGamma, predictionType });
    return p2Gamma === undefined ? 1 : p2Weight(ratio, { gamma: p2Gamma, predictionType });
  });
}

function checkSnr(operation: string, ratio: number): void {
  if (!(ratio >= 0 && Number.isFinite(ratio))) {
    throw new ArgumentError(operation, 'ratio', 'a finite number >= 0', ratio);
  }
}
