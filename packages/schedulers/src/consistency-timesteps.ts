import { ArgumentError, checkInteger } from '@sd/core';
import { type Field, integerField } from './config-fields';

/** How many steps the model was distilled on. */
export const originalStepsField: Field<number> = integerField(50, 1);

export type ConsistencyTimestepOptions = {
  readonly steps: number;
  readonly trainTimesteps: number;
  readonly originalSteps: number;
};

/** S of the timesteps that the model was distilled on, k, 2 k, ... less one, from the last one down. */
export function consistencyTimesteps(
  operation: string,
  { steps, trainTimesteps, originalSteps }: ConsistencyTimestepOptions,
): number[] {
  checkInteger(operation, 'steps', steps);
  if (steps > originalSteps) {
    throw new ArgumentError(operation, 'steps', `at most ${originalSteps}, the original_inference_steps`, steps);
  }
  const stride = Math.floor(trainTimesteps / originalSteps);
  const skipped = originalSteps / steps;
  return Array.from({ length: steps }, (_, i) => (originalSteps - Math.floor(i * skipped)) * stride - 1);
}
