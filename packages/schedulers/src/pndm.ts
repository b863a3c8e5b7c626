import { ArgumentError } from '@sd/core';
import { type Combination, memory, OUTPUT, sum, X } from './combination';
import { booleanField, choiceField, type Fields } from './config-fields';
import { levelOfAlphaCumprod } from './noise-level';
import { type PredictionType, predictionMap } from './prediction';
import { checkStart, refuseEta, refuseSigmas } from './run-options';
import type { PlannedStep, Sampler } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import {
  type BetaConfig,
  betaFields,
  type PredictionConfig,
  type SpacingConfig,
  scheduleOf,
  spacingFields,
} from './scheduler-config';
import { checkTimesteps, spacedTimesteps, TIMESTEP_SPACINGS } from './timestep-spacing';

// Liu et al. 2022, "Pseudo numerical methods for diffusion models on manifolds". The transfer part (11), with a for abar_t
// and b for abar_prev:
//   phi(x, e) = sqrt(b/a) x - (b - a) e / (sqrt(a) (sqrt((1 - b) a) + sqrt((1 - a) b)))
// and the gradient part e: first, unless they are skipped, three steps of Runge and Kutta's method (13), then the linear
// multistep method of Adams and Bashforth (12):
//   e = (55 e_t - 59 e_{t-1} + 37 e_{t-2} - 9 e_{t-3}) / 24
// Where the steps of Runge and Kutta are skipped (PLMS, as in LDM), a step of Heun's method begins the run, and lower
// orders follow it.

const MULTISTEP: readonly (readonly number[])[] = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
];

export type PNDMConfig = BetaConfig &
  PredictionConfig &
  SpacingConfig & {
    /** Begins with Heun's method in place of Runge and Kutta's: PLMS. */
    readonly skipPrkSteps: boolean;
    /** Does the last step end at abar = 1, or at abar_0? */
    readonly setAlphaToOne: boolean;
  };

const fields: Fields<PNDMConfig> = {
  ...betaFields,
  predictionType: choiceField<PredictionType>('epsilon', ['epsilon', 'v_prediction']),
  ...spacingFields('leading', TIMESTEP_SPACINGS),
  skipPrkSteps: booleanField(false),
  setAlphaToOne: booleanField(false),
};

export const PNDM = defineScheduler<PNDMConfig>({
  className: 'PNDMScheduler',
  fields,
  algorithm(config) {
    const schedule = scheduleOf(config);
    const { trainTimesteps, alphasCumprod } = schedule;
    const { predictionType, timestepSpacing: spacing, stepsOffset, skipPrkSteps, setAlphaToOne } = config;
    const alphaAt = (t: number) => (t >= 0 ? alphasCumprod[t] : setAlphaToOne ? 1 : alphasCumprod[0]);
    const own = (operation: string, steps: number) =>
      spacedTimesteps(operation, { steps, trainTimesteps, spacing, stepsOffset });

    /** phi, from x at one timestep to another. As in diffusers a velocity becomes a noise after the gradient part. */
    const transfer = (x: Combination, output: Combination, from: number, to: number): Combination => {
      const [a, b] = [alphaAt(from), alphaAt(to)];
      const map = predictionMap('PNDMScheduler', predictionType, 'epsilon', levelOfAlphaCumprod(a));
      const denominator = a * Math.sqrt(1 - b) + Math.sqrt(a * (1 - a) * b);
      const e = sum([map.x, x], [map.output, output]);
      return sum([Math.sqrt(b / a), x], [b === a ? 0 : -(b - a) / denominator, e]);
    };

    type Call = {
      readonly t: number;
      /** Where x is at the call, and after it. */
      readonly at: number;
      readonly to: number;
      readonly x: Combination;
      readonly memory: readonly Combination[];
    };
    const planned = (operation: string, { t, at, to, x, memory: kept }: Call): PlannedStep => {
      const level = levelOfAlphaCumprod(alphaAt(at));
      return {
        t,
        level,
        nextLevel: levelOfAlphaCumprod(alphaAt(to)),
        toSample: predictionMap(operation, predictionType, 'sample', level),
        clipping: null,
        drawsNoise: false,
        x,
        memory: kept,
      };
    };

    /** Runge and Kutta's method from a timestep to the next; `outputs` is how many the memory begins with. */
    const rungeKutta = (t: number, next: number, half: number, outputs: number): Call[] => {
      const middle = next + half;
      const past = Array.from({ length: outputs }, (_, k) => memory(k));
      // The memory: [outputs at the timesteps so far, the newest first; x; the sum of weighted outputs]
      const began = [memory(0), ...past.map((_, k) => memory(1 + k))];
      const [x, total] = [memory(outputs + 1), memory(outputs + 2)];
      const goOn = [...began, x];
      return [
        {
          t,
          at: t,
          to: t - half,
          x: transfer(X, OUTPUT, t, t - half),
          memory: [OUTPUT, ...past, X, sum([1 / 6, OUTPUT])],
        },
        {
          t: middle,
          at: middle,
          to: middle,
          x: transfer(x, OUTPUT, t, middle),
          memory: [...goOn, sum([1, total], [1 / 3, OUTPUT])],
        },
        {
          t: middle,
          at: middle,
          to: middle - half,
          x: transfer(x, OUTPUT, t, middle - half),
          memory: [...goOn, sum([1, total], [1 / 3, OUTPUT])],
        },
        {
          t: next,
          at: next,
          to: next,
          x: transfer(x, sum([1, total], [1 / 6, OUTPUT]), t, next),
          memory: began,
        },
      ];
    };

    /** A step of Adams and Bashforth's method with `history` outputs in the memory, the newest first. */
    const adamsBashforth = (t: number, to: number, history: number): Call => {
      const outputs = [OUTPUT, ...Array.from({ length: Math.min(history, 3) }, (_, k) => memory(k))];
      const weights = MULTISTEP[outputs.length - 1];
      const e = sum(...outputs.map((output, k): [number, Combination] => [weights[k], output]));
      return { t, at: t, to, x: transfer(X, e, t, to), memory: outputs.slice(0, 3) };
    };

    /** Heun's method from t to `to`, which is also the timestep of the second call, seen as a step back to `from`. */
    const heun = (t: number, to: number, second: number, from: number): Call[] => [
      { t, at: t, to, x: transfer(X, OUTPUT, t, to), memory: [OUTPUT, X] },
      {
        t: second,
        at: second,
        to: second,
        x: transfer(memory(1), sum([1 / 2, OUTPUT], [1 / 2, memory(0)]), from, second),
        memory: [memory(0)],
      },
    ];

    const calls = (
      operation: string,
      visited: readonly number[],
      previous: (index: number) => number,
      stride: number | null,
    ): Call[] => {
      if (skipPrkSteps) {
        const [first, second] = visited;
        if (second === undefined) return [{ ...adamsBashforth(first, previous(0), 0), memory: [] }];
        const from = stride === null ? first : Math.min(second + stride, trainTimesteps - 1);
        const rest = visited.slice(1).map((t, index) => adamsBashforth(t, previous(index + 1), index + 1));
        return [...heun(first, previous(0), second, from), ...rest];
      }
      if (visited.length < 4) {
        throw new ArgumentError(operation, 'steps', 'at least 4 where prk steps are not skipped', visited.length);
      }
      const begin = [0, 1, 2].flatMap((k) => {
        const gap = visited[k] - visited[k + 1];
        return rungeKutta(visited[k], visited[k + 1], Math.floor((stride ?? gap) / 2), k);
      });
      const rest = visited.slice(3).map((t, index) => adamsBashforth(t, previous(index + 3), index + 3));
      return [...begin, ...rest];
    };

    const planFor = (operation: string, visited: readonly number[], stride: number | null): PlannedStep[] => {
      const previous = (index: number) => (stride === null ? (visited[index + 1] ?? -1) : visited[index] - stride);
      const all = calls(operation, visited, previous, stride);
      return all.map((call, index) => planned(operation, index === all.length - 1 ? { ...call, memory: [] } : call));
    };
    const strideOf = (steps: number) => Math.floor(trainTimesteps / steps);

    const sampler: Sampler = {
      timesteps(steps) {
        const operation = 'PNDMScheduler.timesteps';
        return planFor(operation, own(operation, steps), strideOf(steps)).map(({ t }) => t);
      },
      initNoiseSigma: () => 1,
      plan(operation, { steps, timesteps, sigmas, eta, start }) {
        refuseEta(operation, 'PNDM', eta);
        refuseSigmas(operation, 'PNDM', sigmas);
        if (timesteps !== null) checkTimesteps(operation, timesteps, trainTimesteps);
        const visited = timesteps ?? own(operation, steps);
        checkStart(operation, start, visited.length);
        return planFor(operation, visited.slice(start), timesteps === null ? strideOf(steps) : null);
      },
    };
    return { schedule, predictionType, sampler };
  },
});

/**
 * PNDM and, with `skipPrkSteps`, PLMS, as diffusers has them.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function pndmScheduler(config: Partial<PNDMConfig> = {}): Scheduler {
  return PNDM.create('pndmScheduler', config);
}

/**
 * The configuration that is LDM's own PLMS: timesteps as in `ldmDdimConfig`, ending at abar_0. The betas are those of
 * LDM's VQ-f4 and ImageNet models.
 */
export function ldmPlmsConfig(changes: Partial<PNDMConfig> = {}): Partial<PNDMConfig> {
  return {
    betaSchedule: 'scaled_linear',
    betaStart: 0.0015,
    betaEnd: 0.0195,
    timestepSpacing: 'ldm',
    stepsOffset: 1,
    skipPrkSteps: true,
    setAlphaToOne: false,
    ...changes,
  };
}
