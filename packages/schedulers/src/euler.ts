import { sum, X } from './combination';
import { choiceField, type Fields, optionalNumberField } from './config-fields';
import { kDiffusion } from './k-diffusion-grid';
import { derivative, kDiffusionCall } from './k-diffusion-step';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  betaFields,
  type PredictionConfig,
  predictionFields,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';
import { type FinalSigmaConfig, finalSigmaFields, type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';

// Karras et al. 2022, "Elucidating the design space of diffusion-based generative models", algorithm 1 without its
// correction, with sigma(t) = t:
//   x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (x_i - x_0) / sigma_i

export type EulerConfig = BetaConfig &
  ZeroSnrConfig &
  PredictionConfig &
  SpacingConfig &
  SigmaConfig &
  FinalSigmaConfig & {
    /** `log_linear`: equal steps of log(sigma), whatever the timesteps. */
    readonly interpolationType: 'linear' | 'log_linear';
    /** The last sigma of Karras, exponential and beta sigmas; null, that of the spaced timesteps. */
    readonly sigmaMin: number | null;
    /** The first sigma of those; null, that of the spaced timesteps. */
    readonly sigmaMax: number | null;
    /** `continuous`, with `v_prediction`: the model gets log(sigma) / 4 for t, as in EDM. */
    readonly timestepType: 'discrete' | 'continuous';
  };

const fields: Fields<EulerConfig> = {
  ...betaFields,
  ...zeroSnrFields,
  ...predictionFields,
  ...spacingFields('linspace'),
  ...sigmaFields,
  ...finalSigmaFields,
  interpolationType: choiceField('linear', ['linear', 'log_linear'] as const),
  sigmaMin: optionalNumberField('a positive number or null', (value) => value > 0),
  sigmaMax: optionalNumberField('a positive number or null', (value) => value > 0),
  timestepType: choiceField('discrete', ['discrete', 'continuous'] as const),
};

export const Euler = defineScheduler<EulerConfig>({
  className: 'EulerDiscreteScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, sigmaMin: minimum, sigmaMax: maximum, finalSigmasType, timestepType } = config;
    const continuous = timestepType === 'continuous' && predictionType === 'v_prediction';
    const options = {
      ...config,
      name: 'EulerDiscreteScheduler',
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      sigmaRange: { maximum, minimum },
      interpolation: config.interpolationType,
      endsAtMinimum: finalSigmasType === 'sigma_min',
      timestepOf: continuous ? (sigma: number) => Math.log(sigma) / 4 : null,
    };
    const { sampler, levelAt } = kDiffusion(options, (operation, { timesteps, sigmas }, start) =>
      timesteps.slice(start).map((t, index) => {
        const [sigma, nextSigma] = sigmas.slice(start + index);
        return {
          ...kDiffusionCall(operation, { t, sigma, nextSigma, predictionType }),
          x: sum([1, X], [nextSigma - sigma, derivative(sigma)]),
        };
      }),
    );
    return { schedule, predictionType, sampler, levelAt };
  },
});

/**
 * Euler's method, as diffusers has it after k-diffusion; DDIM without noise takes the same steps.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function eulerScheduler(config: Partial<EulerConfig> = {}): Scheduler {
  return Euler.create('eulerScheduler', config);
}
