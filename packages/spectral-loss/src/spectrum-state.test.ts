import { randomKey, uniform } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { frequencyErrors } from './frequency-errors';
import { SpectrumStatistics } from './spectrum-statistics';

describeBackends(['cpu'], () => {
  const images = (seed: number) => uniform(randomKey(seed), [3, 12, 16, 3]) as Tensor4D;

  const gathered = async (...seeds: number[]) => {
    const statistics = new SpectrumStatistics();
    for (const seed of seeds) {
      const batch = images(seed);
      await statistics.add(batch);
      batch.dispose();
    }
    return statistics;
  };

  test('statistics come back from JSON to the same numbers, and take more images', async () => {
    const [half, whole, other] = await expectTensors(0, async () => [
      await gathered(1),
      await gathered(1, 2),
      await gathered(3),
    ]);
    const read = SpectrumStatistics.fromJSON(JSON.parse(JSON.stringify(half)));
    expect([read.count, read.bins, read.size, read.epsilon]).toEqual([3, 4, [12, 16], 1e-8]);
    expect(read.spectrum()).toEqual(half.spectrum());
    expect(read.meanLogPower()).toEqual(half.meanLogPower());
    const more = images(2);
    await read.add(more);
    more.dispose();
    expect(await frequencyErrors(read, other)).toEqual(await frequencyErrors(whole, other));
  });

  test('what no images give is refused', async () => {
    expect(() => new SpectrumStatistics().toJSON()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.toJSON: images must be added before, got 0]`,
    );
    const state = (await gathered(1)).toJSON();
    const wrong = (changes: object) => () => SpectrumStatistics.fromJSON({ ...state, ...changes });
    expect(wrong({ count: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.fromJSON: count must be an integer >= 1, got 0]`,
    );
    expect(wrong({ size: [12, 1.5] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.fromJSON: width must be an integer >= 2, got 1.5]`,
    );
    expect(wrong({ bins: 7 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.fromJSON: bins must be at most 6, half the shorter side of 12x16, got 7]`,
    );
    expect(wrong({ powerSum: [1, 2, 3, Number.NaN] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.fromJSON: powerSum must be 4 finite numbers, got [1, 2, 3, NaN]]`,
    );
    expect(wrong({ logPowerSum: [1] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumStatistics.fromJSON: logPowerSum must be 4 finite numbers, got [1]]`,
    );
  });
});
