import { normal, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { checkpointed } from './checkpointed';
import { dropout } from './dropout';
import { valueAndGradients } from './gradients';
import { Linear } from './linear';
import { Module } from './module';
import { silu } from './silu';

/** Two layers with dropout, and a second input that is added between them. */
class Block extends Module {
  readonly first = this.child('first', new Linear({ inFeatures: 3, outFeatures: 5 }));
  readonly second = this.child('second', new Linear({ inFeatures: 5, outFeatures: 3 }));

  forward(x: tf.Tensor2D, e: tf.Tensor2D): tf.Tensor2D {
    return tf.tidy(() => {
      const h = dropout(silu(tf.add(this.first.forward(x), e)) as tf.Tensor2D, 0.3, randomKey(4));
      return tf.add(x, this.second.forward(h));
    });
  }
}

const x = () => normal(randomKey(1), [4, 3]) as tf.Tensor2D;
const e = () => normal(randomKey(2), [4, 5]) as tf.Tensor2D;

/** Three blocks one after the other, the second used twice, with or without checkpointing. */
function chain(isCheckpointed: boolean) {
  const blocks = [1, 2].map((seed) => new Block().initialize(randomKey(seed)));
  const run = (block: Block, h: tf.Tensor2D, context: tf.Tensor2D) =>
    isCheckpointed
      ? checkpointed((a, b) => block.forward(a, b), [h, context], block.parameters().values())
      : block.forward(h, context);
  const parameters = new Map(
    blocks.flatMap((block, i) =>
      [...block.parameters()].map(([name, parameter]) => [`${i}.${name}`, parameter] as const),
    ),
  );
  const forward = (input: tf.Tensor2D, context: tf.Tensor2D) =>
    tf.tidy(() => [0, 1, 1].reduce((h, i) => run(blocks[i], h, context), input));
  return { forward, parameters };
}

describeBackends(['cpu', 'wasm'], () => {
  test('gives the value and the gradients by inputs and parameters, dropout included, to the last bit or nearly', async () => {
    const [plain, saved] = [chain(false), chain(true)];
    await expect(saved.forward(x(), e())).toBeAllclose(plain.forward(x(), e()), 0);
    const gradients = (model: ReturnType<typeof chain>) => {
      const loss = () => tf.mean(tf.square(model.forward(x(), e()))) as tf.Scalar;
      return valueAndGradients(loss, model.parameters).gradients;
    };
    const expected = gradients(plain);
    const actual = gradients(saved);
    expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
    // sums over the uses of a parameter are taken in another order
    for (const [name, gradient] of actual) await expect(gradient, name).toBeAllclose(expected.get(name)!, 1e-6);
    const byInputs = (model: ReturnType<typeof chain>) =>
      tf.grads((a, b) => tf.sum(tf.square(model.forward(a as tf.Tensor2D, b as tf.Tensor2D))))([x(), e()]);
    const [dx, de] = byInputs(saved);
    const [expectedDx, expectedDe] = byInputs(plain);
    await expect(dx).toBeAllclose(expectedDx, 1e-6);
    await expect(de).toBeAllclose(expectedDe, 1e-6);
  });

  test('its gradient is that of finite differences', async () => {
    const { forward } = chain(true);
    const f = (a: tf.Tensor, b: tf.Tensor) => forward(a as tf.Tensor2D, b as tf.Tensor2D);
    await expectGradient(f as (...inputs: tf.Tensor[]) => tf.Tensor, [x(), e()]);
  });

  test('leaves its value, and after a backward pass the gradients, and nothing else', async () => {
    const { forward, parameters } = chain(true);
    const [input, context] = [x(), e()];
    for (const parameter of parameters.values()) parameter.value;
    await expectTensors(1, () => forward(input, context));
    await expectTensors(1 + parameters.size, () =>
      valueAndGradients(() => tf.mean(forward(input, context)) as tf.Scalar, parameters),
    );
  });

  test('what has no influence has a gradient of zero', async () => {
    const unused = (a: tf.Tensor, b: tf.Tensor) => checkpointed((p, _) => tf.square(p), [a, b], []);
    const [dx, de] = tf.grads(unused)([x(), e()]);
    await expect(dx).toBeAllclose(tf.mul(x(), 2));
    await expect(de).toBeAllclose(tf.zeros([4, 5]), 0);
  });

  test('keeps less for the backward pass', async () => {
    const bytes = async (isCheckpointed: boolean) => {
      const { forward, parameters } = chain(isCheckpointed);
      const loss = () =>
        tf.mean(forward(normal(randomKey(3), [4096, 3]) as tf.Tensor2D, tf.zeros([4096, 5]))) as tf.Scalar;
      return (await tf.profile(() => valueAndGradients(loss, parameters).value)).peakBytes;
    };
    expect(await bytes(true)).toBeLessThan(0.8 * (await bytes(false)));
  });
});

test('one checkpointed function inside another is differentiated too', async () => {
  const cube = (a: tf.Tensor) =>
    checkpointed(
      (b) =>
        tf.mul(
          b,
          checkpointed((c) => tf.square(c), [b], []),
        ),
      [a],
      [],
    );
  const [dx] = tf.grads((a) => cube(a))([x()]);
  await expect(dx).toBeAllclose(tf.mul(tf.square(x()), 3));
});
