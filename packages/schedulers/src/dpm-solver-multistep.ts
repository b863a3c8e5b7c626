import { type Combination, memory, sum, X } from './combination';
import { booleanField, choiceField, type Fields, optionalNumberField } from './config-fields';
import {
  checkEnd,
  DPM_SOLVER_ALGORITHMS,
  DPM_SOLVER_TYPES,
  type DPMSolverAlgorithm,
  type DPMSolverType,
  dpmSolverUpdate,
  isStochastic,
  predictsData,
} from './dpm-solver-update';
import { halfLogSnr, type NoiseLevel } from './noise-level';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  betaFields,
  clippingOf,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
  type ThresholdingConfig,
  thresholdingFields,
  type ZeroSnrConfig,
  zeroSnrFields,
} from './scheduler-config';
import {
  type FinalSigmaConfig,
  finalSigmaFields,
  type SigmaConfig,
  type SigmaRule,
  sigmaFields,
  sigmaRuleOf,
} from './sigma-config';
import { luSigmas } from './sigma-spacing';
import { type SolverPredictionConfig, solverOrderField, solverPredictionFields } from './solver-config';
import { type FlowSigmaConfig, flowSigmaFields, flowSigmas, solverGrid } from './solver-grid';
import { prediction, solverCall, solverSampler } from './solver-step';

// Lu et al. 2022, DPM-Solver++ (2M) and (3M): the derivatives of the prediction m in lambda, times powers of h, from the
// predictions of the last steps. With h_0 = lambda_s0 - lambda_s1, h_1 = lambda_s1 - lambda_s2, r_k = h_k / h:
//   order 2:  D1 = (m0 - m1) / r0
//   order 3:  D1 = (m0 - m1) / r0 + r0 / (r0 + r1) E,  D2 = E / (r0 + r1),  E = (m0 - m1) / r0 - (m1 - m2) / r1

// D2 is the coefficient of a square and so half a derivative; the authors' code and diffusers take it for the whole, and so
// do we for the sake of their values: order 3 is nearer than order 2, but converges as it does (convergence.test.ts).

export type MultistepDerivatives = { readonly D0: Combination; readonly D1?: Combination; readonly D2?: Combination };

/**
 * @param levels where the last predictions were made, the newest first, as many as the order.
 * @param m those predictions.
 */
export function multistepDerivatives(
  to: NoiseLevel,
  levels: readonly NoiseLevel[],
  m: readonly Combination[],
): MultistepDerivatives {
  const [lambda, lambda0, lambda1, lambda2] = [to, ...levels].map(halfLogSnr);
  const h = lambda - lambda0;
  if (levels.length === 1) return { D0: m[0] };
  const r0 = (lambda0 - lambda1) / h;
  const slope0 = sum([1 / r0, m[0]], [-1 / r0, m[1]]);
  if (levels.length === 2) return { D0: m[0], D1: slope0 };
  const r1 = (lambda1 - lambda2) / h;
  const slope1 = sum([1 / r1, m[1]], [-1 / r1, m[2]]);
  const bend = sum([1, slope0], [-1, slope1]);
  return { D0: m[0], D1: sum([1, slope0], [r0 / (r0 + r1), bend]), D2: sum([1 / (r0 + r1), bend]) };
}

export type DPMSolverMultistepConfig = BetaConfig &
  ZeroSnrConfig &
  SolverPredictionConfig &
  SpacingConfig &
  ThresholdingConfig &
  SigmaConfig &
  FlowSigmaConfig &
  FinalSigmaConfig & {
    /** 1, 2 or 3. */
    readonly solverOrder: number;
    readonly algorithmType: DPMSolverAlgorithm;
    readonly solverType: DPMSolverType;
    /** Lower orders in the last two steps of runs of fewer than 15. */
    readonly lowerOrderFinal: boolean;
    /** Order 1 in the last step. */
    readonly eulerAtFinal: boolean;
    /** Equal steps of lambda, as for exponential sigmas. */
    readonly useLuLambdas: boolean;
    /** Leaves out training steps of a lower lambda; null, none. */
    readonly lambdaMinClipped: number | null;
  };

const fields: Fields<DPMSolverMultistepConfig> = {
  ...betaFields,
  ...zeroSnrFields,
  ...solverPredictionFields,
  ...spacingFields('linspace'),
  ...thresholdingFields,
  ...sigmaFields,
  ...flowSigmaFields,
  ...finalSigmaFields,
  solverOrder: solverOrderField,
  algorithmType: choiceField<DPMSolverAlgorithm>('dpmsolver++', DPM_SOLVER_ALGORITHMS),
  solverType: choiceField<DPMSolverType>('midpoint', DPM_SOLVER_TYPES),
  lowerOrderFinal: booleanField(true),
  eulerAtFinal: booleanField(false),
  useLuLambdas: booleanField(false),
  lambdaMinClipped: optionalNumberField('a number or null', (value) => !Number.isNaN(value)),
};

/** The order of step `index` of `steps`, with as many predictions behind it as `history`. */
export function multistepOrder(
  config: Pick<DPMSolverMultistepConfig, 'solverOrder' | 'lowerOrderFinal' | 'eulerAtFinal' | 'finalSigmasType'>,
  index: number,
  steps: number,
  history: number,
): number {
  const { solverOrder, lowerOrderFinal, eulerAtFinal, finalSigmasType } = config;
  const lowers = lowerOrderFinal && steps < 15;
  const left = steps - index;
  if (left === 1 && (lowers || eulerAtFinal || finalSigmasType === 'zero')) return 1;
  return Math.min(solverOrder, history + 1, left === 2 && lowers ? 2 : 3);
}

export const DPMSolverMultistep = defineScheduler<DPMSolverMultistepConfig>({
  className: 'DPMSolverMultistepScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, algorithmType: algorithm, solverOrder, solverType, finalSigmasType } = config;
    if (!predictsData(algorithm) && finalSigmasType === 'zero') {
      refuse('finalSigmasType', `sigma_min for the algorithm ${algorithm}, which divides by sigma`);
    }
    if (algorithm === 'sde-dpmsolver' && solverOrder === 3) refuse('solverOrder', '1 or 2 for sde-dpmsolver');
    const clipping = clippingOf(config);
    const rule = sigmaRuleOf(config, refuse);
    if (rule !== null && config.useLuLambdas) refuse('useLuLambdas', 'false where there are other sigmas');
    const sigmaRule: SigmaRule | null = config.useLuLambdas ? luSigmas : rule;
    const whole = config.useKarrasSigmas || config.useLuLambdas;
    const grid = solverGrid({
      ...config,
      schedule,
      sigmaRule,
      flowSigmas: config.useFlowSigmas ? (steps) => flowSigmas(config, schedule.trainTimesteps, steps) : null,
      end: finalSigmasType === 'zero' ? 'zero' : 'table',
      roundsTimesteps: whole && config.betaSchedule !== 'squaredcos_cap_v2',
    });
    const sampler = solverSampler('DPMSolverMultistepScheduler', grid, (operation, points, start) => {
      const steps = points.length - 1;
      checkEnd(operation, algorithm, points);
      return points.slice(start, -1).map((from, history): PlannedStep => {
        const index = start + history;
        const to = points[index + 1];
        const order = to.noise === 0 ? 1 : multistepOrder(config, index, steps, history);
        const call = { from, to, predictionType, clipping };
        const m0 = prediction(operation, predictsData(algorithm) ? 'data' : 'noise', call);
        const m = [m0, memory(0), memory(1)];
        const levels = [0, 1, 2].slice(0, order).map((k) => points[index - k]);
        const midpoint = solverType === 'midpoint' && order === 2;
        const kept = index === steps - 1 ? 0 : Math.min(solverOrder - 1, history + 1);
        return {
          ...solverCall(operation, call),
          drawsNoise: isStochastic(algorithm),
          x: dpmSolverUpdate({ algorithm, from, to, x: X, ...multistepDerivatives(to, levels, m), midpoint }),
          memory: m.slice(0, kept),
        };
      });
    });
    return { schedule, predictionType, sampler, levelAt: grid.levelAt };
  },
});

/**
 * DPM-Solver and DPM-Solver++ of orders 1 to 3 from the predictions of earlier steps, with and without noise, as
 * diffusers has them.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function dpmSolverMultistepScheduler(config: Partial<DPMSolverMultistepConfig> = {}): Scheduler {
  return DPMSolverMultistep.create('dpmSolverMultistepScheduler', config);
}
