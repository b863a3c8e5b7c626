import { goldenJson } from '@sd/testing';
import { expect, test } from 'vitest';
import { checkTimesteps, spacedTimesteps, type TimestepSpacing } from './timestep-spacing';

const spaced = (spacing: TimestepSpacing, steps: number, stepsOffset = 0, trainTimesteps = 1000) =>
  spacedTimesteps('op', { steps, trainTimesteps, spacing, stepsOffset });

test('the four spacings, on one example', () => {
  expect(spaced('leading', 7)).toEqual([852, 710, 568, 426, 284, 142, 0]);
  expect(spaced('leading', 7, 1)).toEqual([853, 711, 569, 427, 285, 143, 1]);
  expect(spaced('trailing', 7)).toEqual([999, 856, 713, 570, 428, 285, 142]);
  expect(spaced('linspace', 7)).toEqual([999, 832, 666, 500, 333, 166, 0]); // 832.5, 499.5 and 166.5 round to even
  expect(spaced('ldm', 7, 1)).toEqual([995, 853, 711, 569, 427, 285, 143, 1]); // one more than asked
});

test("trailing and linspace are NumPy's for every number of steps, ties included", () => {
  type Checksums = { trailing: number[]; linspace: number[] };
  const checksums = goldenJson<Checksums>('timesteps.json');
  for (const spacing of ['trailing', 'linspace'] as const) {
    const ours = Array.from({ length: 1000 }, (_, i) =>
      spaced(spacing, i + 1).reduce((sum, t, position) => sum + (position + 1) * t, 0),
    );
    expect(ours).toEqual(checksums[spacing]);
  }
});

test('every spacing gives strictly decreasing training steps, as many as asked but for ldm', () => {
  for (const trainTimesteps of [1, 2, 50, 999, 1000]) {
    for (let steps = 1; steps <= trainTimesteps; steps += trainTimesteps > 100 ? 37 : 1) {
      for (const spacing of ['leading', 'trailing', 'linspace', 'ldm'] as const) {
        const timesteps = spaced(spacing, steps, 0, trainTimesteps);
        checkTimesteps('op', timesteps, trainTimesteps);
        if (spacing !== 'ldm') expect(timesteps).toHaveLength(steps);
      }
    }
  }
});

test('ldm is the range of its formula', () => {
  const range = (stride: number) => {
    const values: number[] = [];
    for (let t = 0; t < 1000; t += stride) values.unshift(t + 1);
    return values;
  };
  expect(spaced('ldm', 200, 1)).toEqual(range(5));
  expect(spaced('ldm', 240, 1)).toEqual(range(4)); // 250 of them
  for (const steps of [10, 50, 200, 500]) expect(spaced('ldm', steps, 1)).toEqual(spaced('leading', steps, 1));
});

test.each<[string, () => unknown, string]>([
  ['zero steps', () => spaced('leading', 0), 'op: steps must be an integer >= 1, got 0'],
  ['a fraction of steps', () => spaced('trailing', 2.5), 'op: steps must be an integer >= 1, got 2.5'],
  [
    'more steps than training steps',
    () => spaced('linspace', 1001),
    'op: steps must be at most 1000, the number of training steps, got 1001',
  ],
  [
    'an offset beyond the last training step',
    () => spaced('leading', 1000, 1),
    'op: steps must be such that leading spacing with offset 1 stays within 999, got 1000',
  ],
  [
    "LDM's rule where it fails in LDM too",
    () => spaced('ldm', 300, 1),
    'op: steps must be such that ldm spacing with offset 1 stays within 999, got 300',
  ],
  [
    'custom timesteps that grow',
    () => checkTimesteps('op', [1, 2], 1000),
    'op: timesteps must be strictly decreasing integers in [0, 999], at least one, got [1, 2]',
  ],
  ['custom timesteps that repeat', () => checkTimesteps('op', [2, 2], 1000), 'got [2, 2]'],
  ['custom timesteps beyond the last', () => checkTimesteps('op', [1000, 2], 1000), 'got [1000, 2]'],
  ['custom timesteps below 0', () => checkTimesteps('op', [2, -1], 1000), 'got [2, -1]'],
  ['fractional custom timesteps', () => checkTimesteps('op', [2.5], 1000), 'got [2.5]'],
  ['no custom timesteps', () => checkTimesteps('op', [], 1000), 'got []'],
])('%s: refused', (_, call, message) => {
  expect(call).toThrow(expect.objectContaining({ name: 'ArgumentError', message: expect.stringContaining(message) }));
});
