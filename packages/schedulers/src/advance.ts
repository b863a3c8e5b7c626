import type { Tensor } from '@tensorflow/tfjs-core';
import { clipSample } from './clip-sample';
import type { Combination } from './combination';
import { linearCombination, linearCombinations } from './linear-combination';
import type { PlannedStep, StepInputs, StepResult } from './sampler';

/** x and the memory after a step. Call it in a tidy; everything in `inputs` is borrowed. */
export function advance(step: PlannedStep, inputs: StepInputs): StepResult {
  const { output, x, noise, memory } = inputs;
  const rows = [step.x, ...(step.memory ?? [])].map((combination) => coefficients(step, combination));
  const looksAtSample = rows.some((row) => row[SAMPLE_COLUMN] !== 0);
  const tensors = [x, output, looksAtSample ? predictSample(step, output, x) : null, noise, ...memory];
  if (rows.some((row) => row.some((coefficient, column) => coefficient !== 0 && !tensors[column]))) {
    throw new Error(`the step at t = ${step.t} needs a tensor that the step before has not left`);
  }
  const columns = tensors.flatMap((tensor, column) => (tensor === null ? [] : [{ tensor, column }]));
  const [next, ...left] = linearCombinations(
    rows.map((row) => columns.map(({ column }) => row[column] ?? 0)),
    columns.map(({ tensor }) => tensor),
  );
  return { x: next, memory: left };
}

/** The x_0 that the model's output stands for, clipped. Call it in a tidy. */
export function predictSample({ toSample, clipping }: PlannedStep, output: Tensor, x: Tensor): Tensor {
  const x0 = linearCombination([toSample.x, x], [toSample.output, output]);
  return clipping === null ? x0 : clipSample(x0, clipping);
}

const SAMPLE_COLUMN = 2;

/** Coefficients of x, output, x_0, noise and the memory. Without clipping x_0 is folded into x and the output. */
export function coefficients({ toSample, clipping }: PlannedStep, combination: Combination): number[] {
  const { x = 0, output = 0, sample = 0, noise = 0, memory = [] } = combination;
  if (clipping !== null) return [x, output, sample, noise, ...memory];
  return [x + sample * toSample.x, output + sample * toSample.output, 0, noise, ...memory];
}

/** Is a draw of noise made for this step? */
export function needsNoise({ x, memory = [] }: PlannedStep): boolean {
  return [x, ...memory].some(({ noise = 0 }) => noise !== 0);
}
