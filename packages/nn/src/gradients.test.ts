import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Scalar } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { valueAndGradients } from './gradients';
import { Linear } from './linear';
import { noise } from './test-values';

const create = (seed: number) => new Linear({ inFeatures: 3, outFeatures: 2 }).initialize(randomKey(seed));

describeBackends(['cpu', 'wasm'], () => {
  test('a value comes with the gradients of exactly the named parameters; a teacher is a constant', async () => {
    const [student, teacher, x] = [create(1), create(2), noise(1, [4, 3])];
    const before = await teacher.stateDict();
    const loss = () => tf.mean(tf.squaredDifference(student.forward(x), teacher.forward(x))) as Scalar;
    const { value, gradients } = await expectTensors(3, () => valueAndGradients(loss, student.parameters()));
    await expect(value).toBeAllclose(loss());
    expect([...gradients.keys()].sort()).toEqual(['bias', 'weight']);

    // d/dy mean (y - t)^2 = 2 (y - t) / size; dW[i, o] = sum x[n, i] dy[n, o], db[o] = sum dy[n, o]
    const [xs, y, t] = [await x.data(), await student.forward(x).data(), await teacher.forward(x).data()];
    const [dw, db] = [new Float64Array(6), new Float64Array(2)];
    for (let n = 0; n < 4; n++) {
      for (let o = 0; o < 2; o++) {
        const dy = (2 * (y[n * 2 + o] - t[n * 2 + o])) / 8;
        db[o] += dy;
        for (let i = 0; i < 3; i++) dw[i * 2 + o] += xs[n * 3 + i] * dy;
      }
    }
    expect(gradients.get('weight')!.shape).toEqual([3, 2]);
    await expect(gradients.get('weight')!).toBeAllclose(dw);
    await expect(gradients.get('bias')!).toBeAllclose(db);
    expect(await teacher.stateDict()).toEqual(before);
  });

  test('a subset of the parameters gets gradients under its own names', () => {
    const [first, second, x] = [create(1), create(2), noise(1, [4, 3])];
    const parameters = new Map([['second.bias', second.parameters().get('bias')!]]);
    const loss = () => tf.sum(tf.add(first.forward(x), second.forward(x))) as Scalar;
    const { gradients } = valueAndGradients(loss, parameters);
    expect([...gradients.keys()]).toEqual(['second.bias']);
  });

  test('a parameter without influence has no gradient', async () => {
    const [used, unused, x] = [create(1), create(2), noise(1, [4, 3])];
    const parameters = new Map([
      ['used', used.weight],
      ['unused', unused.weight],
    ]);
    const loss = () => tf.sum(used.forward(x)) as Scalar;
    const { gradients } = await expectTensors(2, () => valueAndGradients(loss, parameters));
    expect([...gradients.keys()]).toEqual(['used']);
  });

  test('parameters used for the first time are allocated, and nothing else stays', async () => {
    const layer = new Linear({ inFeatures: 3, outFeatures: 2 });
    const x = noise(1, [4, 3]);
    const loss = () => tf.sum(layer.forward(x)) as Scalar;
    await expectTensors(2 + 3, () => valueAndGradients(loss, layer.parameters()));
    await expectTensors(3, () => valueAndGradients(loss, layer.parameters()));
  });
});

test('without parameters, or without one that has an influence, it says so', () => {
  const [layer, x] = [create(1), tf.ones([1, 3])];
  const loss = () => tf.sum(x) as Scalar;
  expect(() => valueAndGradients(loss, new Map())).toThrowErrorMatchingInlineSnapshot(
    `[Error: variableGrads() expects at least one of the input variables to be trainable, but none of the 0 variables is trainable.]`,
  );
  expect(() => valueAndGradients(loss, layer.parameters())).toThrowErrorMatchingInlineSnapshot(
    `[Error: Cannot find a connection between any variable and the result of the loss function y=f(x). Please make sure the operations that use variables are inside the function f passed to minimize().]`,
  );
});
