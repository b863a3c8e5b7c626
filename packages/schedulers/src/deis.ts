import { type Combination, memory, sum, X } from './combination';
import { booleanField, type Fields } from './config-fields';
import { multistepOrder } from './dpm-solver-multistep';
import { checkEnd } from './dpm-solver-update';
import type { NoiseLevel } from './noise-level';
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
} from './scheduler-config';
import { type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';
import { type SolverPredictionConfig, solverOrderField, solverPredictionFields } from './solver-config';
import { type FlowSigmaConfig, flowSigmaFields, flowSigmas, solverGrid } from './solver-grid';
import { prediction, solverCall, solverSampler } from './solver-step';

// Zhang and Chen 2023, "Fast sampling of diffusion models with exponential integrator", the log-rho variant. With
// rho = noise / signal, y = x / signal solves dy = eps d rho, and eps is the polynomial in log(rho) through the last ones:
//   x_t = signal_t (x_s / signal_s + sum_k eps_k int_{rho_s}^{rho_t} l_k(log rho) d rho),   l_k(log rho_j) = (j == k)

/** The integrals above, for one to three nodes rho_k, the newest, where they begin, first. */
function logRhoIntegrals(nodes: readonly number[], to: number): number[] {
  const [from] = nodes;
  const u = nodes.map((rho) => Math.log(rho / from)); // log(rho) from where the integral begins, where it is 0
  const h = Math.log(to / from);
  // int u^n d rho = int u^n e^u from du, by parts: m_n = e^h h^n - n m_{n-1}
  const m0 = from * Math.expm1(h);
  const m1 = to * h - m0;
  const m2 = to * h ** 2 - 2 * m1;
  return nodes.map((_, k) => {
    const others = u.filter((_, j) => j !== k);
    const denominator = others.reduce((product, other) => product * (u[k] - other), 1);
    const [a = 0, b = 0] = others;
    if (nodes.length === 1) return m0;
    return (nodes.length === 2 ? m1 - a * m0 : m2 - (a + b) * m1 + a * b * m0) / denominator;
  });
}

function deisUpdate(from: NoiseLevel, to: NoiseLevel, levels: readonly NoiseLevel[], eps: readonly Combination[]) {
  const rho = ({ signal, noise }: NoiseLevel) => noise / signal;
  const weights = logRhoIntegrals(levels.map(rho), rho(to));
  const terms = weights.map((weight, k): [number, Combination] => [to.signal * weight, eps[k]]);
  return sum([to.signal / from.signal, X], ...terms);
}

export type DEISConfig = BetaConfig &
  SolverPredictionConfig &
  SpacingConfig &
  ThresholdingConfig &
  SigmaConfig &
  FlowSigmaConfig & {
    /** 1, 2 or 3. */
    readonly solverOrder: number;
    /** Lower orders in the last two steps of runs of fewer than 15. */
    readonly lowerOrderFinal: boolean;
  };

const fields: Fields<DEISConfig> = {
  ...betaFields,
  ...solverPredictionFields,
  ...spacingFields('linspace'),
  ...thresholdingFields,
  ...sigmaFields,
  ...flowSigmaFields,
  solverOrder: solverOrderField,
  lowerOrderFinal: booleanField(true),
};

export const DEIS = defineScheduler<DEISConfig>({
  className: 'DEISMultistepScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, solverOrder } = config;
    const clipping = clippingOf(config);
    const grid = solverGrid({
      ...config,
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      flowSigmas: config.useFlowSigmas ? (steps) => flowSigmas(config, schedule.trainTimesteps, steps) : null,
      end: 'repeated',
      roundsTimesteps: config.useKarrasSigmas,
    });
    const sampler = solverSampler('DEISMultistepScheduler', grid, (operation, points, start) => {
      checkEnd(operation, 'dpmsolver', points);
      const steps = points.length - 1;
      return points.slice(start, -1).map((from, history): PlannedStep => {
        const index = start + history;
        const to = points[index + 1];
        const call = { from, to, predictionType, clipping };
        const order = multistepOrder(
          { ...config, eulerAtFinal: false, finalSigmasType: 'sigma_min' },
          index,
          steps,
          history,
        );
        const eps = [prediction(operation, 'noise', call), memory(0), memory(1)];
        const levels = [0, 1, 2].slice(0, order).map((k) => points[index - k]);
        return {
          ...solverCall(operation, call),
          x: deisUpdate(from, to, levels, eps),
          memory: eps.slice(0, index === steps - 1 ? 0 : Math.min(solverOrder - 1, history + 1)),
        };
      });
    });
    return { schedule, predictionType, sampler, levelAt: grid.levelAt };
  },
});

/**
 * DEIS of orders 1 to 3, in log(rho), as diffusers has it.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function deisScheduler(config: Partial<DEISConfig> = {}): Scheduler {
  return DEIS.create('deisScheduler', config);
}
