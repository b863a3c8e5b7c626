import { type Combination, memory, NOISE, sum, X } from './combination';
import {
  booleanField,
  choiceField,
  type Field,
  type Fields,
  integerField,
  numberField,
  optionalNumberField,
} from './config-fields';
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
import { type SolverPredictionConfig, solverPredictionFields } from './solver-config';
import { type FlowSigmaConfig, flowSigmaFields, flowSigmas, type Point, solverGrid } from './solver-grid';
import { type Predicts, prediction, solverCall, solverSampler } from './solver-step';

// Xue et al. 2023, "SA-Solver: stochastic Adams solver for fast sampling of diffusion models". With a, s the signal and
// noise of x, h = lambda_t - lambda_s, l_k Lagrange's polynomials through the lambdas of the predictions m_k:
//   of x_0:  x_t = s_t/s_s e^(-tau^2 h) x_s + sum_k b_k m_k + s_t sqrt(1 - e^(-2 tau^2 h)) z
//            b_k = (1 + tau^2) a_t int_s^t e^((1 + tau^2)(u - lambda_t)) l_k(u) du
//   of eps:  x_t = a_t/a_s x_s - sum_k b_k m_k + tau s_t sqrt(e^(2h) - 1) z
//            b_k = (1 + tau^2) s_t int_s^t e^(lambda_t - u) l_k(u) du
// The predictor (Adams and Bashforth) has the predictions so far, the corrector (Adams and Moulton) also that at t.

type SAUpdate = {
  readonly predicts: Predicts;
  readonly tau: number;
  readonly from: Point;
  readonly to: Point;
  /** x at `from`. */
  readonly x: Combination;
  /** The noise of this step. */
  readonly noise: Combination;
  /** Where the predictions were made, the newest first, and those: as many as the order. */
  readonly nodes: readonly (readonly [Point, Combination])[];
};

/** x at `to`. */
function saUpdate({ predicts, tau, from, to, x, noise, nodes }: SAUpdate): Combination {
  const h = to.lambda - from.lambda;
  if (h === 0) return x;
  const lambdas = nodes.map(([{ lambda }]) => lambda - to.lambda);
  const isData = predicts === 'data';
  const rate = isData ? 1 + tau ** 2 : -1;
  const integrals = exponentialIntegrals(lambdas, h, rate);
  const [first, second] = isData && nodes.length === 2 ? midpointChange(lambdas, h, rate) : [0, 0];
  const changed = integrals.map((integral, k) => integral + ([first, second][k] ?? 0));
  const scale = (1 + tau ** 2) * (isData ? to.signal : -to.noise);
  const damping = tau === 0 ? 0 : tau ** 2 * h; // h is infinite where a run ends without noise
  const carried = isData ? Math.exp(-damping) * (to.noise / from.noise) : to.signal / from.signal;
  const deviation = isData
    ? to.noise * Math.sqrt(-Math.expm1(-2 * damping))
    : tau * to.noise * Math.sqrt(Math.expm1(2 * h));
  const terms = changed.map((weight, k): [number, Combination] => [scale * weight, nodes[k][1]]);
  return sum([carried, x], ...terms, [deviation, noise]);
}

/** int_{-h}^0 e^(c u) l_k(u) du, for Lagrange's polynomials l_k through `nodes`. */
function exponentialIntegrals(nodes: readonly number[], h: number, c: number): number[] {
  // m_n = int u^n e^(c u) du, by parts: m_n = (-(-h)^n e^(-c h) - n m_{n-1}) / c
  const moments = [-Math.expm1(-c * h) / c];
  for (let n = 1; n < nodes.length; n++) moments.push((-((-h) ** n) * Math.exp(-c * h) - n * moments[n - 1]) / c);
  return nodes.map((node, k) => {
    const others = nodes.filter((_, j) => j !== k);
    const polynomial = others.reduce(
      (product, other) => timesLinear(product, 1 / (node - other), -other / (node - other)),
      [1],
    );
    return polynomial.reduce((total, coefficient, power) => total + coefficient * moments[power], 0);
  });
}

/** A polynomial, by coefficients of rising power, times (slope u + constant). */
function timesLinear(polynomial: readonly number[], slope: number, constant: number): number[] {
  return [...polynomial, 0].map((value, n) => constant * value + slope * (polynomial[n - 1] ?? 0));
}

/**
 * What the authors' code and diffusers add at order 2: h^2 / 2 in place of int e^(c u) (u + h) du, as DPM-Solver++ (2M)
 * has it. The two agree to the order of the method.
 */
function midpointChange([newest, older]: readonly number[], h: number, c: number): [number, number] {
  const change = (h ** 2 / 2 - (c * h + Math.expm1(-c * h)) / c ** 2) / (newest - older);
  return [change, -change];
}

export type SASolverConfig = BetaConfig &
  SolverPredictionConfig &
  SpacingConfig &
  ThresholdingConfig &
  SigmaConfig &
  FlowSigmaConfig & {
    /** 1 to 4. */
    readonly predictorOrder: number;
    /** 1 to 4. */
    readonly correctorOrder: number;
    readonly algorithmType: 'data_prediction' | 'noise_prediction';
    /** Lower orders at the end. */
    readonly lowerOrderFinal: boolean;
    /** Leaves out training steps of a lower lambda; null, none. */
    readonly lambdaMinClipped: number | null;
    /** How much noise steps have from timesteps in [tauStart, tauEnd]: 0 none, 1 as much as the SDE. Fields of ours. */
    readonly tau: number;
    readonly tauStart: number;
    readonly tauEnd: number;
  };

const adamsOrder: Field<number> = {
  ...integerField(2, 1),
  expected: '1, 2, 3 or 4',
  accepts: (value): value is number => value === 1 || value === 2 || value === 3 || value === 4,
};

const fields: Fields<SASolverConfig> = {
  ...betaFields,
  ...solverPredictionFields,
  ...spacingFields('linspace'),
  ...thresholdingFields,
  ...sigmaFields,
  ...flowSigmaFields,
  predictorOrder: adamsOrder,
  correctorOrder: adamsOrder,
  algorithmType: choiceField('data_prediction', ['data_prediction', 'noise_prediction'] as const),
  lowerOrderFinal: booleanField(true),
  lambdaMinClipped: optionalNumberField('a number or null', (value) => !Number.isNaN(value)),
  tau: numberField(1, 'a number >= 0', (value) => value >= 0),
  tauStart: integerField(200, 0),
  tauEnd: integerField(800, 0),
};

export const SASolver = defineScheduler<SASolverConfig>({
  className: 'SASolverScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, predictorOrder, correctorOrder, lowerOrderFinal } = config;
    const predicts = config.algorithmType === 'data_prediction' ? 'data' : 'noise';
    const clipping = clippingOf(config);
    const tauAt = (t: number) => (t >= config.tauStart && t <= config.tauEnd ? config.tau : 0);
    const capacity = Math.max(predictorOrder, correctorOrder - 1);
    const grid = solverGrid({
      ...config,
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      flowSigmas: config.useFlowSigmas ? (steps) => flowSigmas(config, schedule.trainTimesteps, steps) : null,
      end: 'repeated',
      roundsTimesteps: config.useKarrasSigmas,
    });
    const sampler = solverSampler('SASolverScheduler', grid, (operation, points, start) => {
      const steps = points.length - 1;
      const orders = (index: number) => {
        const history = Math.min(index - start, capacity);
        const left = lowerOrderFinal ? steps - index : capacity + 1;
        return {
          predictor: points[index + 1].noise === 0 ? 1 : Math.min(predictorOrder, left, history + 1),
          corrector: Math.min(correctorOrder, left + 1, history + 2),
        };
      };
      return points.slice(start, -1).map((from, history): PlannedStep => {
        const index = start + history;
        const call = { from, to: points[index + 1], predictionType, clipping };
        const newest = prediction(operation, predicts, call);
        // The memory is [x of the step before, as corrected, its noise, its prediction, earlier predictions].
        const earlier = (count: number) =>
          Array.from({ length: count }, (_, k) => [points[index - 1 - k], memory(2 + k)] as const);
        const common = { predicts } as const;
        const nodes = [[from, newest] as const];
        const corrected =
          history === 0
            ? X
            : saUpdate({
                ...common,
                tau: tauAt(points[index - 1].t),
                from: points[index - 1],
                to: from,
                x: memory(0),
                noise: memory(1),
                nodes: [...nodes, ...earlier(orders(index - 1).corrector - 1)],
              });
        const kept = Math.min(capacity - 1, history);
        return {
          ...solverCall(operation, call),
          drawsNoise: true,
          x: saUpdate({
            ...common,
            tau: tauAt(from.t),
            from,
            to: call.to,
            x: corrected,
            noise: NOISE,
            nodes: [...nodes, ...earlier(orders(index).predictor - 1)],
          }),
          memory:
            index === steps - 1
              ? []
              : [corrected, NOISE, newest, ...Array.from({ length: kept }, (_, k) => memory(2 + k))],
        };
      });
    });
    return { schedule, predictionType, sampler, levelAt: grid.levelAt };
  },
});

/**
 * SA-Solver, as diffusers has it: a predictor and a corrector of orders 1 to 4 for the SDE, with as much noise as `tau`
 * says.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function saSolverScheduler(config: Partial<SASolverConfig> = {}): Scheduler {
  return SASolver.create('saSolverScheduler', config);
}
