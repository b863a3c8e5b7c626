import { expect, test } from 'vitest';
import { betaTable, cumulativeAlphas, rescaleZeroTerminalSnr } from './beta-schedule';
import { noiseSchedule } from './noise-schedule';

test("a schedule without options is diffusers' default, linear from 1e-4 to 0.02 in 1000 steps", () => {
  const schedule = noiseSchedule();
  expect(schedule.trainTimesteps).toBe(1000);
  expect(schedule.betas).toEqual(betaTable('linear', { betaStart: 0.0001, betaEnd: 0.02, trainTimesteps: 1000 }));
  expect(schedule.alphasCumprod).toEqual(cumulativeAlphas(schedule.betas));
});

test('trained betas are taken as they are, and may be rescaled', () => {
  const betas = [0.1, 0.2, 0.4];
  expect(noiseSchedule({ trainedBetas: betas })).toEqual({
    trainTimesteps: 3,
    betas: Float64Array.from(betas),
    alphasCumprod: Float64Array.of(0.9, 0.9 * 0.8, 0.9 * 0.8 * 0.6),
  });
  const rescaled = noiseSchedule({ trainedBetas: betas, trainTimesteps: 3, rescaleBetasZeroSnr: true });
  expect(rescaled.betas).toEqual(rescaleZeroTerminalSnr(Float64Array.from(betas)));
  expect(rescaled.alphasCumprod[2]).toBe(0);
});

test.each<[string, () => unknown, string]>([
  [
    'another number of trained betas',
    () => noiseSchedule({ trainedBetas: [0.1, 0.2], trainTimesteps: 3 }),
    'noiseSchedule: trainedBetas must be 3 numbers, one per training step, got 2',
  ],
  [
    'an empty list of trained betas',
    () => noiseSchedule({ trainedBetas: [] }),
    'noiseSchedule: trainedBetas must be at least one number, got 0',
  ],
  [
    'a trained beta of 0',
    () => noiseSchedule({ trainedBetas: [0.1, 0] }),
    'noiseSchedule: trainedBetas must be numbers in (0, 1], got 0',
  ],
  [
    'a trained beta that is no number',
    () => noiseSchedule({ trainedBetas: [Number.NaN] }),
    'noiseSchedule: trainedBetas must be numbers in (0, 1], got NaN',
  ],
])('%s is refused', (_, call, message) => {
  expect(call).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
});
