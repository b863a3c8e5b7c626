import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test } from 'vitest';
import { dispatch, hasKernel } from './dispatch';

const name = 'SdTestTimesThree';

/** A kernel that a backend might register: x times `factor`, by cpu or wasm multiplication of the same backend. */
function registerKernel(): void {
  const kernelFunc: tf.KernelFunc = ({ inputs, attrs }) => {
    const factor = tf.scalar((attrs as { factor: number }).factor);
    const product = tf.mul(inputs.x as tf.Tensor, factor);
    factor.dispose();
    return product;
  };
  tf.registerKernel({ kernelName: name, backendName: tf.getBackend(), kernelFunc });
}

describeBackends(['cpu', 'wasm'], (backend) => {
  afterEach(() => {
    if (hasKernel(name)) tf.unregisterKernel(name, backend);
  });

  test('without a kernel the reference runs, inside a tidy', async () => {
    const x = tf.tensor1d([1, 2]);
    expect(hasKernel(name)).toBe(false);
    const [y] = await expectTensors(1, () => dispatch(name, { x }, { factor: 3 }, () => tf.mul(tf.add(x, 0), 5)));
    await expect(y).toBeAllclose([5, 10]);
  });

  test('a kernel of the active backend runs in its place, with inputs and attributes', async () => {
    registerKernel();
    const x = tf.tensor1d([1, 2]);
    expect(hasKernel(name)).toBe(true);
    const [y] = await expectTensors(1, () =>
      dispatch(name, { x }, { factor: 3 }, () => {
        throw new Error('the reference must not run');
      }),
    );
    await expect(y).toBeAllclose([3, 6]);
  });

  test('several results come in order', async () => {
    const x = tf.tensor1d([1, 2]);
    const outputs = await expectTensors(2, () => dispatch(name, { x }, {}, () => [tf.add(x, 1), tf.sub(x, 1)]));
    await expect(outputs[0]).toBeAllclose([2, 3]);
    await expect(outputs[1]).toBeAllclose([0, 1]);
  });
});

test('a kernel of another backend does not count', () => {
  const backendName = 'some-other-backend';
  const kernelFunc: tf.KernelFunc = ({ inputs }) => inputs.x as tf.Tensor;
  tf.registerKernel({ kernelName: name, backendName, kernelFunc });
  expect(hasKernel(name)).toBe(false);
  tf.unregisterKernel(name, backendName);
});
