import '@sd/testing';
import { expect, test } from 'vitest';
import { noiseSchedule } from './noise-schedule';
import { ldmPlmsConfig, pndmScheduler } from './pndm';
import { gridNumbers, referenceModelNumbers, samplePlan } from './test-fixtures';

const size = 12;
const { alphasCumprod } = noiseSchedule({ betaSchedule: 'scaled_linear', betaStart: 0.0015, betaEnd: 0.0195 });

/** latent-diffusion's own sampler, as in ldm/models/diffusion/plms.py, in float64. */
function ldmPlms(steps: number): Float64Array {
  const stride = Math.floor(1000 / steps);
  const timesteps: number[] = [];
  for (let t = 0; t < 1000; t += stride) timesteps.push(t + 1);
  let x = gridNumbers([size], 1);
  const old: Float64Array[] = [];
  const towards = (from: Float64Array, e: Float64Array, index: number) => {
    const a = alphasCumprod[timesteps[index]];
    const previous = index > 0 ? alphasCumprod[timesteps[index - 1]] : alphasCumprod[0];
    return from.map((value, i) => {
      const x0 = (value - Math.sqrt(1 - a) * e[i]) / Math.sqrt(a);
      return Math.sqrt(previous) * x0 + Math.sqrt(1 - previous) * e[i];
    });
  };
  for (let index = timesteps.length - 1; index >= 0; index--) {
    const e = referenceModelNumbers(x, timesteps[index]);
    const mixed = e.map((value, i) => {
      const [e1, e2, e3] = old.map((values) => values[i]);
      if (old.length === 1) return (3 * value - e1) / 2;
      if (old.length === 2) return (23 * value - 16 * e1 + 5 * e2) / 12;
      return (55 * value - 59 * e1 + 37 * e2 - 9 * e3) / 24;
    });
    if (old.length === 0) {
      const next = referenceModelNumbers(towards(x, e, index), timesteps[Math.max(index - 1, 0)]);
      mixed.set(e.map((value, i) => (value + next[i]) / 2));
    }
    x = towards(x, mixed, index);
    old.unshift(e);
    old.splice(3);
  }
  return x;
}

test.each([10, 50, 200, 240, 7])("ldmPlmsConfig gives LDM's PLMS in %d steps", (steps) => {
  const plan = pndmScheduler(ldmPlmsConfig()).plan({ steps });
  const sample = samplePlan({ plan, x: gridNumbers([size], 1), model: referenceModelNumbers });
  expect(sample).toBeAllclose(ldmPlms(steps), 1e-11);
});

test('the steps of Runge and Kutta need four timesteps', () => {
  expect(() => pndmScheduler().plan({ steps: 3 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: PNDMScheduler.plan: steps must be at least 4 where prk steps are not skipped, got 3]`,
  );
});
