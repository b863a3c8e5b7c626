import { type Combination, memory, sum, X } from './combination';
import { booleanField, choiceField, type Fields, numbersField, optionalNumberField } from './config-fields';
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
import { type FinalSigmaConfig, finalSigmaFields, type SigmaConfig, sigmaFields, sigmaRuleOf } from './sigma-config';
import { solveLinear } from './solve-linear';
import { type SolverPredictionConfig, solverOrderField, solverPredictionFields } from './solver-config';
import { type FlowSigmaConfig, flowSigmaFields, type Point, shiftSigma, solverGrid } from './solver-grid';
import { type Predicts, prediction, solverCall, solverSampler } from './solver-step';

// Zhao et al. 2023, "UniPC: a unified predictor-corrector framework for fast sampling of diffusion models". For a model
// of eps, with a, s the signal and noise of x, h = lambda_t - lambda_s0, r_k = (lambda_sk - lambda_s0) / h and
// D_k = (m_k - m_0) / r_k for earlier predictions m_k:
//   x_t = a_t/a_s0 x_s0 - s_t (e^h - 1) m_0 - s_t B(h) sum_k rho_k D_k
// and for a model of x_0 the same with a and s exchanged and -h for h. The corrector counts the prediction at t itself as
// one with r = 1. The rho_k solve sum_k r_k^(i-1) rho_k = i! h phi_{i+1}(h) / B(h), i = 1, 2, ..., with
// phi_1 = (e^h - 1) / h and phi_{i+1} = (phi_i - 1/i!) / h; B is h (bh1) or e^h - 1 (bh2).

type SolverType = 'bh1' | 'bh2';

type UniUpdate = {
  readonly predicts: Predicts;
  readonly solverType: SolverType;
  readonly from: Point;
  readonly to: Point;
  /** x at `from`. */
  readonly x: Combination;
  /** The prediction at `from`. */
  readonly m0: Combination;
  /** Earlier predictions, and where they were made. */
  readonly others: readonly (readonly [Point, Combination])[];
  /** The prediction at `to`, for the corrector. */
  readonly mt?: Combination;
};

/** x at `to`. */
function uniUpdate({ predicts, solverType, from, to, x, m0, others, mt }: UniUpdate): Combination {
  const h = to.lambda - from.lambda;
  if (h === 0) return x;
  const [signedH, carried, direct] =
    predicts === 'data' ? [-h, to.noise / from.noise, to.signal] : [h, to.signal / from.signal, to.noise];
  const B = solverType === 'bh1' ? signedH : Math.expm1(signedH);
  const known = others.map(([point, m]) => ({ r: (point.lambda - from.lambda) / h, m }));
  const nodes = mt === undefined ? known : [...known, { r: 1, m: mt }];
  // Where there is one unknown, the paper and diffusers have 1/2, which is as exact for bh1 and bh2.
  const rho =
    nodes.length === 1
      ? [0.5]
      : nodes.length === 0
        ? []
        : solveRho(
            signedH,
            B,
            nodes.map(({ r }) => r),
          );
  const corrections = nodes.flatMap(({ r, m }, k): [number, Combination][] => [
    [(-direct * B * rho[k]) / r, m],
    [(direct * B * rho[k]) / r, m0],
  ]);
  return sum([carried, x], [-direct * Math.expm1(signedH), m0], ...corrections);
}

function solveRho(h: number, B: number, r: readonly number[]): number[] {
  const rows = r.map((_, i) => r.map((node) => node ** i));
  let hPhi = Math.expm1(h) / h - 1; // h phi_2
  let factorial = 1;
  const right = r.map((_, i) => {
    const value = (factorial * hPhi) / B;
    factorial *= i + 2;
    hPhi = hPhi / h - 1 / factorial;
    return value;
  });
  return solveLinear(rows, right);
}

export type UniPCConfig = BetaConfig &
  ZeroSnrConfig &
  SolverPredictionConfig &
  SpacingConfig &
  ThresholdingConfig &
  SigmaConfig &
  FlowSigmaConfig &
  FinalSigmaConfig & {
    /** 1, 2 or 3. */
    readonly solverOrder: number;
    /** Does the solver work on x_0, or on eps? */
    readonly predictX0: boolean;
    readonly solverType: SolverType;
    /** Lower orders at the end. */
    readonly lowerOrderFinal: boolean;
    /** The steps, counted from 0, that are not corrected. */
    readonly disableCorrector: readonly number[] | null;
    readonly sigmaMin: number | null;
    readonly sigmaMax: number | null;
    /** Stretches the sigmas of flow matching so that the last one is this. */
    readonly shiftTerminal: number | null;
  };

const isPositive = (value: number) => value > 0;

const fields: Fields<UniPCConfig> = {
  ...betaFields,
  ...zeroSnrFields,
  ...solverPredictionFields,
  ...spacingFields('linspace'),
  ...thresholdingFields,
  ...sigmaFields,
  ...flowSigmaFields,
  ...finalSigmaFields,
  solverOrder: solverOrderField,
  predictX0: booleanField(true),
  solverType: choiceField('bh2', ['bh1', 'bh2'] as const),
  lowerOrderFinal: booleanField(true),
  disableCorrector: { ...numbersField(), fallback: [] },
  sigmaMin: optionalNumberField('a positive number or null', isPositive),
  sigmaMax: optionalNumberField('a positive number or null', isPositive),
  shiftTerminal: optionalNumberField('a number in (0, 1) or null', (value) => value > 0 && value < 1),
};

/** Shares of noise from 1 down, the end, 1/T, left out. */
function uniFlowSigmas({ flowShift, shiftTerminal, numTrainTimesteps }: UniPCConfig, steps: number): number[] {
  const end = 1 / numTrainTimesteps;
  const sigmas = Array.from({ length: steps }, (_, i) => shiftSigma(1 + (i / steps) * (end - 1), flowShift));
  const stretched = shiftTerminal === null ? sigmas : stretchToTerminal(sigmas, shiftTerminal);
  return stretched.map((sigma) => (Math.abs(sigma - 1) < 1e-6 ? sigma - 1e-6 : sigma)); // log(1 - sigma) must be finite
}

/** Scales 1 - sigma so that the last sigma is `terminal`. */
export function stretchToTerminal(sigmas: readonly number[], terminal: number): number[] {
  const scale = (1 - sigmas[sigmas.length - 1]) / (1 - terminal);
  return sigmas.map((sigma) => 1 - (1 - sigma) / scale);
}

export const UniPC = defineScheduler<UniPCConfig>({
  className: 'UniPCMultistepScheduler',
  fields,
  algorithm(config, refuse) {
    const schedule = scheduleOf(config);
    const { predictionType, predictX0, solverOrder, solverType, lowerOrderFinal, disableCorrector } = config;
    const { sigmaMin: minimum, sigmaMax: maximum, finalSigmasType } = config;
    if (config.shiftTerminal !== null && !config.useFlowSigmas) refuse('shiftTerminal', 'null without use_flow_sigmas');
    if (!predictX0 && finalSigmasType === 'zero') {
      refuse('finalSigmasType', 'sigma_min for a solver of eps, which divides by sigma');
    }
    const predicts = predictX0 ? 'data' : 'noise';
    const clipping = predictX0 ? clippingOf(config) : null; // as in diffusers, which thresholds x_0 only
    const grid = solverGrid({
      ...config,
      schedule,
      sigmaRule: sigmaRuleOf(config, refuse),
      sigmaRange: { maximum, minimum },
      flowSigmas: config.useFlowSigmas ? (steps) => uniFlowSigmas(config, steps) : null,
      end: finalSigmasType === 'zero' ? 'zero' : 'repeated',
      roundsTimesteps: config.useKarrasSigmas,
    });
    const sampler = solverSampler('UniPCMultistepScheduler', grid, (operation, points, start) => {
      const steps = points.length - 1;
      const orderOf = (index: number): number => {
        const ends = points[index + 1].noise === 0 ? 1 : lowerOrderFinal ? steps - index : solverOrder;
        return Math.min(solverOrder, ends, index - start + 1);
      };
      return points.slice(start, -1).map((from, history): PlannedStep => {
        const index = start + history;
        const call = { from, to: points[index + 1], predictionType, clipping };
        const mt = prediction(operation, predicts, call);
        // The memory is [x of the step before, as corrected, its prediction, earlier predictions].
        const earlier = (count: number, from: number) =>
          Array.from({ length: count }, (_, k) => [points[index - from - k], memory(from + k)] as const);
        const corrects = history > 0 && !disableCorrector?.includes(index - 1);
        const corrected = corrects
          ? uniUpdate({
              predicts,
              solverType,
              from: points[index - 1],
              to: from,
              x: memory(0),
              m0: memory(1),
              others: earlier(orderOf(index - 1) - 1, 2),
              mt,
            })
          : X;
        const others = earlier(orderOf(index) - 1, 1);
        const kept = Math.min(solverOrder - 1, history); // predictions before this one
        return {
          ...solverCall(operation, call),
          x: uniUpdate({ predicts, solverType, from, to: call.to, x: corrected, m0: mt, others }),
          memory: index === steps - 1 ? [] : [corrected, mt, ...Array.from({ length: kept }, (_, k) => memory(1 + k))],
        };
      });
    });
    return { schedule, predictionType, sampler, levelAt: grid.levelAt };
  },
});

/**
 * UniPC of orders 1 to 3, as diffusers has it: every prediction corrects the step that led to it, at no further call.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function uniPcScheduler(config: Partial<UniPCConfig> = {}): Scheduler {
  return UniPC.create('uniPcScheduler', config);
}
