import { float32View, readSafetensors, type TensorView, toFloat32, toInt32, writeSafetensors } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { zeros } from '../init';
import { Linear } from '../linear';
import { Module } from '../module';
import { goldenView, randomized } from '../test-values';
import { ExponentialMovingAverage } from './ema';

class Vector extends Module {
  readonly p = this.param('p', [5], zeros);
  constructor(values: ArrayLike<number>) {
    super();
    this.p.load(Float32Array.from(values));
  }
}

const values = (state: ReadonlyMap<string, TensorView>, name = 'p') => toFloat32(state.get(name)!);

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test("the average is LitEma's over five updates", async () => {
    const module = new Vector(toFloat32(goldenView('ema/p0')));
    const average = new ExponentialMovingAverage(module.parameters(), 0.9999);
    for (let k = 1; k <= 5; k++) {
      module.p.load(toFloat32(goldenView(`ema/p${k}`)));
      await expectTensors(0, () => average.update());
      expect(average.updates).toBe(k);
      expect(values(await average.stateDict())).toBeAllclose(toFloat32(goldenView(`ema/shadow${k}`)));
      await expect(module.p.value).toBeAllclose(toFloat32(goldenView(`ema/p${k}`)), 0);
    }
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('the decay warms up as (1 + k) / (10 + k) and stops at its configured value', async () => {
    const module = new Vector([0, 0, 0, 0, 0]);
    const average = new ExponentialMovingAverage(module.parameters(), 0.25);
    module.p.load(new Float32Array(5).fill(1));
    let remaining = 1; // of the distance to the parameter
    for (const decay of [2 / 11, 3 / 12, 0.25, 0.25]) {
      average.update();
      remaining *= decay;
      expect(values(await average.stateDict())).toBeAllclose(new Array(5).fill(1 - remaining));
    }
  });

  test('swap exchanges parameters and averages, and twice is as if never', async () => {
    const module = randomized(new Linear({ inFeatures: 2, outFeatures: 3 }));
    const average = new ExponentialMovingAverage(module.parameters());
    randomized(module, 5);
    average.update();
    const [own, averaged] = [await module.stateDict(), await average.stateDict()];
    expect(own.get('weight')).not.toEqual(averaged.get('weight'));
    await expectTensors(0, () => average.swap());
    for (const [name, view] of await module.stateDict()) expect(view).toEqual(averaged.get(name));
    for (const [name, view] of own) expect((await average.stateDict()).get(name)).toEqual(view);
    await expectTensors(0, () => tf.tidy(() => average.swap()));
    expect(await module.stateDict()).toEqual(own);
    expect(await average.stateDict()).toEqual(averaged);
  });

  test('a saved average continues to the same bits', async () => {
    const run = async (stop: number | undefined) => {
      const module = randomized(new Linear({ inFeatures: 2, outFeatures: 3 }));
      let average = new ExponentialMovingAverage(module.parameters());
      for (let k = 0; k < 4; k++) {
        if (k === stop) {
          const saved = readSafetensors(writeSafetensors(await average.stateDict())).tensors;
          average.dispose();
          average = new ExponentialMovingAverage(module.parameters());
          await expectTensors(0, () => average.loadStateDict(saved));
          expect(average.updates).toBe(k);
        }
        randomized(module, 10 * k);
        average.update();
      }
      return average.stateDict();
    };
    const state = await run(2);
    expect(state).toEqual(await run(undefined));
    expect(toInt32(state.get('num_updates')!)).toEqual(Int32Array.of(4));
    expect(state.get('weight')!.shape).toEqual([3, 2]); // PyTorch's layout
  });

  test('the average holds a tensor per parameter, and dispose frees them alone', async () => {
    const module = randomized(new Linear({ inFeatures: 2, outFeatures: 3 }));
    const average = await expectTensors(2, () => {
      let made: ExponentialMovingAverage | undefined;
      tf.tidy(() => {
        made = new ExponentialMovingAverage(module.parameters());
      });
      return made as ExponentialMovingAverage;
    });
    await expectTensors(-2, () => average.dispose());
    await expect(module.forward(tf.ones([1, 2]))).toBeAllclose(module.forward(tf.ones([1, 2])), 0);
  });
});

test('the decay is within [0, 1]', () => {
  const module = new Vector([0, 0, 0, 0, 0]);
  expect(() => new ExponentialMovingAverage(module.parameters(), 1.1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: ExponentialMovingAverage: decay must be a number in [0, 1], got 1.1]`,
  );
  expect(() => new ExponentialMovingAverage(module.parameters(), -0.1)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: ExponentialMovingAverage: decay must be a number in [0, 1], got -0.1]`,
  );
});

test('a state that does not fit is refused with all its faults, and nothing is loaded', async () => {
  const average = new ExponentialMovingAverage(randomized(new Linear({ inFeatures: 2, outFeatures: 3 })).parameters());
  const before = await average.stateDict();
  const wrong = new Map([['bias', float32View(new Float32Array(2), [2])]]);
  expect(() => average.loadStateDict(wrong)).toThrowErrorMatchingInlineSnapshot(
    `[SpectralDiffusionError: ExponentialMovingAverage.loadStateDict: missing or of another shape: num_updates [1], weight [3, 2], bias [3]]`,
  );
  expect(await average.stateDict()).toEqual(before);
});
