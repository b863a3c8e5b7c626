import { checkInteger } from '@sd/core';

/** The learning rate of a step, 0, 1, ... */
export type LearningRateSchedule = (step: number) => number;

/** The same rate at every step. */
export function constantRate(rate: number): LearningRateSchedule {
  return () => rate;
}

/** rate (1 - step / steps), 0 from `steps` on: what the paper trains with (section 4). */
export function linearDecay(rate: number, steps: number): LearningRateSchedule {
  checkInteger('linearDecay', 'steps', steps);
  return (step) => rate * Math.max(0, 1 - step / steps);
}

/** Half a cosine from rate to 0. */
export function cosineDecay(rate: number, steps: number): LearningRateSchedule {
  checkInteger('cosineDecay', 'steps', steps);
  return (step) => (rate / 2) * (1 + Math.cos(Math.PI * Math.min(1, step / steps)));
}

/** Raises another schedule linearly over its first `steps` steps: the k-th, from 0, has (k + 1) / steps of its rate. */
export function withWarmup(schedule: LearningRateSchedule, steps: number): LearningRateSchedule {
  checkInteger('withWarmup', 'steps', steps, 0);
  return (step) => schedule(step) * (steps > 0 ? Math.min(1, (step + 1) / steps) : 1);
}
