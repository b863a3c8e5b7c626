import { expect, test } from 'vitest';
import { lossWeight, minSnrWeight, p2Weight } from './loss-weight';
import { noiseSchedule } from './noise-schedule';
import { PREDICTION_TYPES } from './prediction';

const ratios = [1e-4, 0.3, 1, 4.9, 5, 5.1, 700];

test('min-SNR is min(snr, gamma) on the clean image, and divided by snr on the noise', () => {
  for (const ratio of ratios) {
    expect(minSnrWeight(ratio, { predictionType: 'sample' })).toBe(Math.min(ratio, 5));
    expect(minSnrWeight(ratio)).toBeCloseTo(Math.min(ratio, 5) / ratio, 14);
    expect(minSnrWeight(ratio, { gamma: 2, predictionType: 'v_prediction' })).toBeCloseTo(
      Math.min(ratio, 2) / (ratio + 1),
      14,
    );
  }
});

test('P2 is 1 / (k + snr)^gamma on the noise', () => {
  for (const ratio of ratios) {
    expect(p2Weight(ratio)).toBeCloseTo(1 / (1 + ratio), 14);
    expect(p2Weight(ratio, { k: 2, gamma: 0.5 })).toBeCloseTo(1 / Math.sqrt(2 + ratio), 14);
    expect(p2Weight(ratio, { gamma: 0 })).toBe(1);
  }
});

test('a weighting means the same loss whatever is predicted', () => {
  // An error e of x_0, at a given x_t, is an error sqrt(snr) e of the noise, sqrt(snr + 1) e of the velocity and
  // (sqrt(snr) + 1) e of the flow.
  for (const weight of [minSnrWeight, p2Weight]) {
    for (const ratio of ratios) {
      const flow = (Math.sqrt(ratio) + 1) ** 2;
      const squares = { sample: 1, epsilon: ratio, v_prediction: ratio + 1, flow_prediction: flow };
      const losses = PREDICTION_TYPES.map((type) => squares[type] * weight(ratio, { predictionType: type }));
      for (const loss of losses) expect(loss / losses[0]).toBeCloseTo(1, 12);
    }
  }
});

test('pure noise has a finite weight', () => {
  expect(PREDICTION_TYPES.map((predictionType) => minSnrWeight(0, { predictionType }))).toEqual([1, 0, 0, 0]);
  expect(PREDICTION_TYPES.map((predictionType) => p2Weight(0, { predictionType }))).toEqual([1, 0, 0, 0]);
});

test('lossWeight weighs every timestep of a batch', () => {
  const schedule = noiseSchedule();
  const ratio = (t: number) => schedule.alphasCumprod[t] / (1 - schedule.alphasCumprod[t]);
  expect(lossWeight(schedule, [5, 900])).toEqual([1, 1]);
  const predictionType = 'v_prediction';
  expect(lossWeight(schedule, [5, 900], { predictionType, minSnrGamma: 3 })).toEqual(
    [5, 900].map((t) => minSnrWeight(ratio(t), { gamma: 3, predictionType })),
  );
  expect(lossWeight(schedule, [5, 900], { p2Gamma: 0.5 })).toEqual(
    [5, 900].map((t) => p2Weight(ratio(t), { gamma: 0.5 })),
  );
});

test.each<[string, () => unknown, string]>([
  ['a negative ratio', () => minSnrWeight(-1), 'minSnrWeight: ratio must be a finite number >= 0, got -1'],
  ['an infinite ratio', () => p2Weight(1 / 0), 'p2Weight: ratio must be a finite number >= 0, got Infinity'],
  ['gamma 0 of min-SNR', () => minSnrWeight(1, { gamma: 0 }), 'minSnrWeight: gamma must be a positive number, got 0'],
  ['a negative gamma of P2', () => p2Weight(1, { gamma: -1 }), 'p2Weight: gamma must be a number >= 0, got -1'],
  ['k = 0', () => p2Weight(1, { k: 0 }), 'p2Weight: k must be a positive number, got 0'],
  [
    'both weightings',
    () => lossWeight(noiseSchedule(), [1], { minSnrGamma: 5, p2Gamma: 1 }),
    'lossWeight: p2Gamma must be left out where minSnrGamma is given, got 1',
  ],
  [
    'a timestep out of range',
    () => lossWeight(noiseSchedule(), [1000]),
    'snr: t must be an integer in [0, 999], got 1000',
  ],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
});
