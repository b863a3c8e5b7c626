import { normal, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ToyDenoiser } from './toy-denoiser';
import { countFrequencies, dftMagnitudes, toySignals } from './toy-signals';
import { ToyTask } from './toy-task';

test('signals are cosines of 3 or 5 periods, a fifth of them of 3', () => {
  const signals = toySignals(randomKey(1), 2000, 16);
  const { minority, majority, magnitudes } = countFrequencies(signals, 16);
  expect(minority + majority).toBe(1);
  expect(minority).toBeGreaterThan(0.17); // 0.2, with a deviation of 0.009
  expect(minority).toBeLessThan(0.23);
  expect(magnitudes).toBeAllclose([0, 0, 0, minority / 2, 0, majority / 2, 0, 0, 0], 1e-6);
});

test('magnitudes are those of the DFT', () => {
  // Python, by the sum with cmath.exp
  expect(dftMagnitudes([1, 2, 0, -1, 3])).toBeAllclose([1, 0.6747433885930295, 0.7380524097582745], 1e-6);
});

test('a sample counts for its largest magnitude alone, and for none where that is at another frequency', () => {
  const wave = (f: number, amplitude: number) =>
    Float32Array.from({ length: 16 }, (_, j) => amplitude * Math.cos((2 * Math.PI * f * j) / 16));
  const mixed = wave(3, 0.6).map((value, j) => value + wave(5, 0.5)[j]);
  const samples = Float32Array.from([...mixed, ...wave(4, 1), ...wave(5, 0.1), ...wave(5, 1)]);
  const { minority, majority } = countFrequencies(samples, 16);
  expect([minority, majority]).toEqual([0.25, 0.5]);
});

describeBackends(['cpu', 'wasm'], () => {
  test('the MLP is its two layers by hand', async () => {
    const denoiser = new ToyDenoiser(2, 1);
    for (const parameter of denoiser.parameters().values()) {
      parameter.load(Float32Array.from({ length: parameter.size }, (_, i) => (i < 2 ? 0.5 * (i + 1) : 0)));
    }
    const x = tf.tensor2d([[1, 2]]);
    const y = await expectTensors(1, () => denoiser.forward(x, [7]));
    // Hidden: 0.5 * 1 + 1 * 2 + bias 0.5 = 3; SiLU: 3 / (1 + e^-3); then weights 0.5, 1 and biases 0.5, 1.
    const hidden = 3 / (1 + Math.exp(-3));
    expect(await y.data()).toBeAllclose([0.5 * hidden + 0.5, hidden + 1], 1e-5);
    denoiser.dispose();
  });

  test('the loss of the true noise is that of an untrained net, and nothing leaks', async () => {
    const scheduler = schedulerFromConfig({ _class_name: 'DDPMScheduler', clip_sample: false });
    const denoiser = new ToyDenoiser(8, 4).initialize(randomKey(0));
    const task = new ToyTask({ denoiser, scheduler, length: 8, batchSize: 3, key: randomKey(2) });
    const batch = await task.batch(5);
    expect(batch.x.shape).toEqual([3, 8]);
    const loss = await expectTensors(0, async () => {
      const scalar = tf.tidy(() => task.objective(batch).loss);
      const [value] = await scalar.data();
      scalar.dispose();
      return value;
    });
    const [noise, t] = [await batch.noise.array(), [...(await batch.t.data())]];
    const prediction = denoiser.forward(batch.x as Tensor2D, t);
    const expected = (await prediction.array())
      .flatMap((row, i) => row.map((value, j) => (value - (noise as number[][])[i][j]) ** 2))
      .reduce((sum, value) => sum + value / 24, 0);
    expect(loss).toBeCloseTo(expected, 5);
    const again = await task.batch(5);
    expect(await again.x.data()).toEqual(await batch.x.data());
    tf.dispose([batch, again, prediction]);
    task.dispose();
  });

  test('signals of noise have no frequency in particular', async () => {
    const noise = normal(randomKey(3), [200, 32]);
    const { minority } = countFrequencies((await noise.data()) as Float32Array, 32);
    expect(minority).toBeLessThan(0.15);
    noise.dispose();
  });
});
