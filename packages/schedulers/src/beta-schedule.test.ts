import { goldenJson } from '@sd/testing';
import { expect, test } from 'vitest';
import { type BetaSchedule, betaTable, cumulativeAlphas, rescaleZeroTerminalSnr } from './beta-schedule';
import { schedulerFromConfig } from './scheduler-from-config';

// Fixed point with 200 binary places, far beyond float64: an independent way to the same tables.
const ONE = 1n << 200n;
const fixed = (numerator: number, denominator: number) => (ONE * BigInt(numerator)) / BigInt(denominator);

function squareRoot(x: bigint): bigint {
  const target = x * ONE;
  let root = ONE;
  for (let i = 0; i < 200; i++) root = (root + target / root) / 2n;
  return root;
}

const toNumber = (x: bigint) => Number((x * 10n ** 40n) / ONE) / 1e40;

/** abar_t for betas that go from start to end in T equal steps, or whose roots do. */
function exactAlphas(start: bigint, end: bigint, steps: number, squared: boolean): number[] {
  const [from, to] = squared ? [squareRoot(start), squareRoot(end)] : [start, end];
  let product = ONE;
  return Array.from({ length: steps }, (_, t) => {
    const value = from + ((to - from) * BigInt(t)) / BigInt(steps - 1);
    const beta = squared ? (value * value) / ONE : value;
    product = (product * (ONE - beta)) / ONE;
    return toNumber(product);
  });
}

/** The largest relative difference of any element. */
function worst(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(actual.length).toBe(expected.length);
  return Math.max(...Array.from(actual, (value, i) => Math.abs(value / expected[i] - 1)));
}

test('linear and scaled_linear agree with exact arithmetic to 1e-12 in every abar_t', () => {
  const linear = cumulativeAlphas(betaTable('linear'));
  expect(worst(linear, exactAlphas(fixed(1, 10_000), fixed(2, 100), 1000, false))).toBeLessThan(1e-12);
  const options = { betaStart: 0.0015, betaEnd: 0.0195 };
  const scaled = cumulativeAlphas(betaTable('scaled_linear', options));
  expect(worst(scaled, exactAlphas(fixed(15, 10_000), fixed(195, 10_000), 1000, true))).toBeLessThan(1e-12);
});

test('squaredcos_cap_v2 is a squared cosine to 1e-12, until the cap', () => {
  const alphas = cumulativeAlphas(betaTable('squaredcos_cap_v2'));
  const alphaBar = (t: number) => Math.cos((((t + 1) / 1000 + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const start = Math.cos((0.008 / 1.008) * (Math.PI / 2)) ** 2;
  const expected = Array.from({ length: 999 }, (_, t) => alphaBar(t) / start);
  expect(worst(alphas.subarray(0, 999), expected)).toBeLessThan(1e-12);
  expect(betaTable('squaredcos_cap_v2')[999]).toBe(0.999);
});

test('sigmoid runs from betaStart to betaEnd, symmetrically about their mean', () => {
  const betas = betaTable('sigmoid', { trainTimesteps: 11, betaStart: 0.1, betaEnd: 0.3 });
  const share = 1 / (1 + Math.exp(6));
  expect(betas[0]).toBeCloseTo(0.1 + 0.2 * share, 15);
  expect(betas[5]).toBeCloseTo(0.2, 15);
  expect(betas[7]).toBeCloseTo(0.1 + 0.2 / (1 + Math.exp(-2.4)), 15);
  for (let t = 0; t < 11; t++) expect(betas[t] + betas[10 - t]).toBeCloseTo(0.4, 14);
});

test('linear and scaled_linear begin and end where they are told, also with a single step', () => {
  for (const schedule of ['linear', 'scaled_linear'] as const) {
    const betas = betaTable(schedule, { betaStart: 0.00085, betaEnd: 0.012, trainTimesteps: 50 });
    expect(betas[0]).toBeCloseTo(0.00085, 17);
    expect(betas[49]).toBeCloseTo(0.012, 16);
    expect(betaTable(schedule, { betaStart: 0.25, trainTimesteps: 1 })).toEqual(Float64Array.of(0.25));
  }
});

test("the tables agree with those of diffusers, up to diffusers' float32", () => {
  type Reference = { add_noise: { config: Record<string, unknown>; alphas_cumprod: number[] }[] };
  const references = goldenJson<Reference>('schedulers.json').add_noise;
  expect(references.map(({ config }) => config.beta_schedule)).toEqual([
    'scaled_linear',
    'linear',
    'squaredcos_cap_v2',
  ]);
  for (const { config, alphas_cumprod } of references) {
    const { alphasCumprod } = schedulerFromConfig({ _class_name: 'DDPMScheduler', ...config });
    const sampled = [0, 1, 10, 250, 500, 900, 999].map((t) => alphasCumprod[t]);
    expect(worst(sampled, alphas_cumprod)).toBeLessThan(config.beta_schedule === 'squaredcos_cap_v2' ? 1.4e-5 : 9e-7);
  }
});

test('rescaleZeroTerminalSnr ends at abar = 0, keeps the first one, and scales the roots linearly between', () => {
  for (const schedule of ['linear', 'scaled_linear', 'squaredcos_cap_v2', 'sigmoid'] as const) {
    const betas = betaTable(schedule);
    const before = cumulativeAlphas(betas).map(Math.sqrt);
    const after = cumulativeAlphas(rescaleZeroTerminalSnr(betas)).map(Math.sqrt);
    expect(after[999]).toBe(0);
    expect(after[0]).toBeCloseTo(before[0], 12);
    const ratio = (t: number) => (before[t] - before[999]) / (before[0] - before[999]);
    for (const t of [1, 100, 500, 900, 998]) expect(after[t] / after[0] / ratio(t)).toBeCloseTo(1, 9);
  }
});

test.each<[string, () => unknown, string]>([
  [
    'an unknown schedule',
    () => betaTable('cosine' as BetaSchedule),
    'betaTable: schedule must be one of linear, scaled_linear, squaredcos_cap_v2, sigmoid, got "cosine"',
  ],
  [
    'no training steps',
    () => betaTable('linear', { trainTimesteps: 0 }),
    'betaTable: trainTimesteps must be an integer >= 1, got 0',
  ],
  [
    'a first beta of 0',
    () => betaTable('linear', { betaStart: 0 }),
    'betaTable: betaStart must be a number in (0, 1), got 0',
  ],
  [
    'a last beta of 1',
    () => betaTable('sigmoid', { betaEnd: 1 }),
    'betaTable: betaEnd must be a number in (0, 1), got 1',
  ],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
});
