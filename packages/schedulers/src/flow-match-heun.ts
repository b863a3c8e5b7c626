import { memory, sum, X } from './combination';
import { type Fields, integerField, numberField } from './config-fields';
import { FLOW, flowMatch, flowMatchCall } from './flow-match';
import type { PlannedStep } from './sampler';
import { defineScheduler, type Scheduler } from './scheduler';
import { ramp } from './sigma-spacing';
import { shiftSigma } from './solver-grid';

// Heun's method for dx / dsigma = u:
//   x'      = x_i + (sigma_{i+1} - sigma_i) u_i
//   x_{i+1} = x_i + (sigma_{i+1} - sigma_i) (u_i + u(x')) / 2          unless sigma_{i+1} = 0

export type FlowMatchHeunConfig = {
  readonly numTrainTimesteps: number;
  /** s: sigma' = s sigma / (1 + (s - 1) sigma) gives more of the run to the noise. */
  readonly shift: number;
};

const fields: Fields<FlowMatchHeunConfig> = {
  numTrainTimesteps: integerField(1000, 1),
  shift: numberField(1, 'a positive number', (value) => value > 0),
};

export const FlowMatchHeun = defineScheduler<FlowMatchHeunConfig>({
  className: 'FlowMatchHeunDiscreteScheduler',
  fields,
  algorithm({ numTrainTimesteps: trainTimesteps, shift }) {
    const shiftCustom = (sigmas: readonly number[]) => sigmas.map((sigma) => shiftSigma(sigma, shift));
    const options = {
      name: 'FlowMatchHeunDiscreteScheduler',
      trainTimesteps,
      shift,
      shiftCustom,
      sigmasOf: (steps: number, maximum: number, minimum: number) =>
        shiftCustom(ramp(steps).map((u) => maximum + u * (minimum - maximum))),
    };
    return flowMatch(options, (operation, sigmas, start) =>
      sigmas.slice(start, -1).flatMap((sigma, index): PlannedStep[] => {
        const nextSigma = sigmas[start + index + 1];
        const h = nextSigma - sigma;
        const first = flowMatchCall(operation, trainTimesteps, { sigma, nextSigma });
        if (nextSigma === 0) return [{ ...first, x: sum([1, X], [h, FLOW]) }];
        const second = flowMatchCall(operation, trainTimesteps, { sigma: nextSigma, nextSigma });
        // The memory holds x_i + h u_i / 2, which is all of the first half that the second needs.
        return [
          { ...first, x: sum([1, X], [h, FLOW]), memory: [sum([1, X], [h / 2, FLOW])] },
          { ...second, x: sum([1, memory(0)], [h / 2, FLOW]) },
        ];
      }),
    );
  },
});

/**
 * Heun's method for flow matching, as diffusers has it: two calls of the model a step, one in the last.
 * @throws {ArgumentError} on values that a field does not accept.
 */
export function flowMatchHeunScheduler(config: Partial<FlowMatchHeunConfig> = {}): Scheduler {
  return FlowMatchHeun.create('flowMatchHeunScheduler', config);
}
