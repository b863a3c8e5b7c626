import { expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs';
import { expect, test } from 'vitest';
import { type DiffusionModel, pairedTensors } from './diffusion-model';
import { noise } from './test-values';

test('pairedTensors renames, and copies nothing', async () => {
  const [output, feature] = [noise(1, [1, 2, 2, 3]), noise(2, [1, 2, 2, 4])];
  const paired = await expectTensors(0, () => pairedTensors({ output, features: { 'up.0': feature } }));
  expect(Object.keys(paired)).toEqual(['output', 'up_0']);
  expect(paired.output).toBe(output);
  expect(paired.up_0).toBe(feature);
  expect(pairedTensors({ output })).toEqual({ output });
});

test('pairedTensors refuses names that fall together', () => {
  const x = noise(1, [1, 1, 1, 1]);
  expect(() => pairedTensors({ output: x, features: { output: x } })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: pairedTensors: features must be named apart from output, dots counting as _, got "output"]`,
  );
  expect(() => pairedTensors({ output: x, features: { 'a.b': x, a_b: x } })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: pairedTensors: features must be named apart from a_b, dots counting as _, got "a_b"]`,
  );
});

test('a model of tf.layers becomes a teacher by a function', async () => {
  const [image, time] = [tf.input({ shape: [4, 4, 3] }), tf.input({ shape: [1] })];
  const hidden = tf.layers.conv2d({ filters: 5, kernelSize: 3, padding: 'same' }).apply(image) as tf.SymbolicTensor;
  const shift = tf.layers.dense({ units: 48 }).apply(time) as tf.SymbolicTensor;
  const shifted = tf.layers.reshape({ targetShape: [4, 4, 3] }).apply(shift) as tf.SymbolicTensor;
  const shrunk = tf.layers.conv2d({ filters: 3, kernelSize: 1 }).apply(hidden) as tf.SymbolicTensor;
  const prediction = tf.layers.add().apply([shrunk, shifted]) as tf.SymbolicTensor;
  const model = tf.model({ inputs: [image, time], outputs: [prediction, hidden] });

  const teacher: DiffusionModel = (x, t) => {
    const times = tf.tensor2d([...t], [t.length, 1]);
    const [output, features] = model.predict([x, times]) as [tf.Tensor4D, tf.Tensor4D];
    times.dispose();
    return { output, features: { hidden: features } };
  };
  const x = noise(3, [2, 4, 4, 3]);
  const paired = await expectTensors(2, () => pairedTensors(teacher(x, [1, 500], undefined)));
  expect(paired.output!.shape).toEqual([2, 4, 4, 3]);
  await expect(paired.hidden!).toBeAllclose((model.predict([x, tf.tensor2d([[1], [500]])]) as tf.Tensor[])[1]!);
});
