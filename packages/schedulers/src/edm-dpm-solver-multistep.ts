import { memory, SAMPLE, X } from './combination';
import { booleanField, choiceField, type Fields } from './config-fields';
import { multistepDerivatives, multistepOrder } from './dpm-solver-multistep';
import { DPM_SOLVER_TYPES, type DPMSolverType, dpmSolverUpdate, isStochastic } from './dpm-solver-update';
import { type EDMConfig, edm, edmFields } from './edm';
import { varianceExploding } from './noise-level';
import { defineScheduler, type Scheduler } from './scheduler';
import { clippingOf, type ThresholdingConfig, thresholdingFields } from './scheduler-config';
import { solverOrderField } from './solver-config';

// DPM-Solver++ (see dpm-solver-update.ts and dpm-solver-multistep.ts) on x = x_0 + sigma eps, where lambda = -log(sigma).

export type EDMDPMSolverMultistepConfig = EDMConfig &
  ThresholdingConfig & {
    /** 1, 2 or 3. */
    readonly solverOrder: number;
    readonly algorithmType: 'dpmsolver++' | 'sde-dpmsolver++';
    readonly solverType: DPMSolverType;
    /** Lower orders in the last two steps of runs of fewer than 15. */
    readonly lowerOrderFinal: boolean;
    /** Order 1 in the last step. */
    readonly eulerAtFinal: boolean;
  };

const fields: Fields<EDMDPMSolverMultistepConfig> = {
  ...edmFields,
  ...thresholdingFields,
  solverOrder: solverOrderField,
  algorithmType: choiceField('dpmsolver++', ['dpmsolver++', 'sde-dpmsolver++'] as const),
  solverType: choiceField<DPMSolverType>('midpoint', DPM_SOLVER_TYPES),
  lowerOrderFinal: booleanField(true),
  eulerAtFinal: booleanField(false),
};

export const EDMDPMSolverMultistep = defineScheduler<EDMDPMSolverMultistepConfig>({
  className: 'EDMDPMSolverMultistepScheduler',
  fields,
  algorithm(config) {
    const process = edm(config);
    const { algorithmType: algorithm, solverOrder, solverType } = config;
    const clipping = clippingOf(config);
    return process.algorithm('EDMDPMSolverMultistepScheduler', (operation, sigmas, start) => {
      const steps = sigmas.length - 1;
      return sigmas.slice(start, -1).map((sigma, history) => {
        const index = start + history;
        const nextSigma = sigmas[index + 1];
        const [from, to] = [sigma, nextSigma].map(varianceExploding);
        const order = nextSigma === 0 ? 1 : multistepOrder(config, index, steps, history);
        const m = [SAMPLE, memory(0), memory(1)];
        const levels = [0, 1, 2].slice(0, order).map((k) => varianceExploding(sigmas[index - k]));
        const midpoint = solverType === 'midpoint' && order === 2;
        const D = multistepDerivatives(to, levels, m);
        return {
          ...process.call(operation, { sigma, nextSigma }),
          clipping,
          drawsNoise: isStochastic(algorithm),
          x: nextSigma === sigma ? X : dpmSolverUpdate({ algorithm, from, to, x: X, ...D, midpoint }),
          memory: m.slice(0, index === steps - 1 ? 0 : Math.min(solverOrder - 1, history + 1)),
        };
      });
    });
  },
});

/**
 * DPM-Solver++ of orders 1 to 3 for models trained as in EDM, whose timestep is log(sigma) / 4.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function edmDpmSolverMultistepScheduler(config: Partial<EDMDPMSolverMultistepConfig> = {}): Scheduler {
  return EDMDPMSolverMultistep.create('edmDpmSolverMultistepScheduler', config);
}
