import { type Combination, memory, sum, X } from './combination';
import { booleanField, choiceField, type Fields, optionalNumberField } from './config-fields';
import {
  checkEnd,
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
  scheduleOf,
  type ThresholdingConfig,
  thresholdingFields,
} from './scheduler-config';
import { type FinalSigmaConfig, finalSigmaFields, type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';
import { type SolverPredictionConfig, solverOrderField, solverPredictionFields } from './solver-config';
import { type FlowSigmaConfig, flowSigmaFields, flowSigmas, solverGrid } from './solver-grid';
import { prediction, solverCall, solverSampler } from './solver-step';

// Lu et al. 2022, "DPM-Solver", algorithms 1 and 2: blocks of up to three steps that all begin at the same x, each one
// more exact than the one before. With m_k the prediction after k steps of the block, r_k = (lambda_k - lambda_0) / h:
//   2nd step:  D1 = (m1 - m0) / r1
//   3rd step:  D1 = (r2 s1 - r1 s2) / (r2 - r1),  D2 = 2 (s2 - s1) / (r2 - r1),  s_k = (m_k - m0) / r_k
// or, as `midpoint`, D1 = s2 alone.

export type DPMSolverSinglestepConfig = BetaConfig &
  SolverPredictionConfig &
  ThresholdingConfig &
  SigmaConfig &
  FlowSigmaConfig &
  FinalSigmaConfig & {
    /** 1, 2 or 3. */
    readonly solverOrder: number;
    readonly algorithmType: Exclude<DPMSolverAlgorithm, 'sde-dpmsolver'>;
    readonly solverType: DPMSolverType;
    /** Lower orders in the last block; always where the order does not divide the steps, or a run ends without noise. */
    readonly lowerOrderFinal: boolean;
    /** Leaves out training steps of a lower lambda; null, none. */
    readonly lambdaMinClipped: number | null;
  };

const fields: Fields<DPMSolverSinglestepConfig> = {
  ...betaFields,
  ...solverPredictionFields,
  ...thresholdingFields,
  ...sigmaFields,
  ...flowSigmaFields,
  ...finalSigmaFields,
  solverOrder: solverOrderField,
  algorithmType: choiceField<DPMSolverSinglestepConfig['algorithmType']>('dpmsolver++', [
    'dpmsolver',
    'dpmsolver++',
    'sde-dpmsolver++',
  ]),
  solverType: choiceField<DPMSolverType>('midpoint', DPM_SOLVER_TYPES),
  lowerOrderFinal: booleanField(false),
  lambdaMinClipped: optionalNumberField('a number or null', (value) => !Number.isNaN(value)),
};

/** The order of each of S steps: 1, 2, 3, 1, 2, 3, ... */
function orders(
  { solverOrder: order, lowerOrderFinal, finalSigmasType }: DPMSolverSinglestepConfig,
  steps: number,
): number[] {
  const list = Array.from({ length: steps }, (_, index) => (index % order) + 1);
  const zero = finalSigmasType === 'zero';
  if (!(lowerOrderFinal || zero || steps % order !== 0)) return list;
  if (order > 1 && steps % order === 0) list[steps - 1] = 1;
  if (zero) list[steps - 1] = 1;
  return list;
}

/** @param levels of the block's predictions, the oldest first. @param m those predictions. */
function singlestepDerivatives(
  to: NoiseLevel,
  levels: readonly NoiseLevel[],
  m: readonly Combination[],
  midpoint: boolean,
): { readonly D0: Combination; readonly D1?: Combination; readonly D2?: Combination } {
  const [lambda, lambda0, lambda1, lambda2] = [to, ...levels].map(halfLogSnr);
  const h = lambda - lambda0;
  if (levels.length === 1) return { D0: m[0] };
  const r1 = (lambda1 - lambda0) / h;
  const slope1 = sum([1 / r1, m[1]], [-1 / r1, m[0]]);
  if (levels.length === 2) return { D0: m[0], D1: slope1 };
  const r2 = (lambda2 - lambda0) / h;
  const slope2 = sum([1 / r2, m[2]], [-1 / r2, m[0]]);
  if (midpoint) return { D0: m[0], D1: slope2 };
  return {
    D0: m[0],
    D1: sum([r2 / (r2 - r1), slope1], [-r1 / (r2 - r1), slope2]),
    D2: sum([2 / (r2 - r1), slope2], [-2 / (r2 - r1), slope1]),
  };
}

export const DPMSolverSinglestep = defineScheduler<DPMSolverSinglestepConfig>({
  className: 'DPMSolverSinglestepScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, algorithmType: algorithm, solverType, finalSigmasType } = config;
    if (!predictsData(algorithm) && finalSigmasType === 'zero') {
      refuse('finalSigmasType', `sigma_min for the algorithm ${algorithm}, which divides by sigma`);
    }
    const clipping = clippingOf(config);
    const grid = solverGrid({
      ...config,
      timestepSpacing: 'linspace',
      stepsOffset: 0,
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      flowSigmas: config.useFlowSigmas ? (steps) => flowSigmas(config, schedule.trainTimesteps, steps) : null,
      end: finalSigmasType === 'zero' ? 'zero' : 'table',
      roundsTimesteps: config.useKarrasSigmas,
    });
    const sampler = solverSampler('DPMSolverSinglestepScheduler', grid, (operation, points, start) => {
      checkEnd(operation, algorithm, points);
      const planned = orders(config, points.length - 1);
      return points.slice(start, -1).map((from, history): PlannedStep => {
        const index = start + history;
        const to = points[index + 1];
        const order = Math.min(planned[index], history + 1);
        const call = { from, to, predictionType, clipping };
        const newest = prediction(operation, predictsData(algorithm) ? 'data' : 'noise', call);
        // Within a block the memory is [x at its beginning, its predictions so far, the oldest first].
        const m = [...Array.from({ length: order - 1 }, (_, k) => memory(1 + k)), newest];
        const x = order === 1 ? X : memory(0);
        const levels = points.slice(index + 1 - order, index + 1);
        const D = singlestepDerivatives(to, levels, m, solverType === 'midpoint');
        const midpoint = solverType === 'midpoint' && order === 2;
        return {
          ...solverCall(operation, call),
          drawsNoise: isStochastic(algorithm),
          x: dpmSolverUpdate({ algorithm, from: levels[0], to, x, ...D, midpoint }),
          memory: (planned[index + 1] ?? 1) > 1 ? [x, ...m] : [],
        };
      });
    });
    return { schedule, predictionType, sampler, levelAt: grid.levelAt };
  },
});

/**
 * DPM-Solver and DPM-Solver++ of orders 1 to 3 in blocks of steps from one x, as diffusers has them.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function dpmSolverSinglestepScheduler(config: Partial<DPMSolverSinglestepConfig> = {}): Scheduler {
  return DPMSolverSinglestep.create('dpmSolverSinglestepScheduler', config);
}
