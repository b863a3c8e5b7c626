import { describeBackends } from '@sd/testing';
import type { Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { releasing } from './releasing';
import { noise } from './test-values';

/** The square of x; notes how many bytes there are when its gradient is taken. */
const noted = (x: Tensor, bytes: number[]): Tensor =>
  tf.customGrad((...args) => {
    const [input, save] = args as unknown as [Tensor, tf.GradSaveFunc];
    save([input]);
    const gradFunc = (dy: Tensor, [saved]: Tensor[]) => {
      bytes.push(tf.memory().numBytes);
      return tf.tidy(() => tf.mul(dy, tf.mul(2, saved as Tensor)));
    };
    return { value: tf.square(input), gradFunc };
  })(x);

/** Gives its gradient on as it is, to both of its inputs. */
const both = (a: Tensor, b: Tensor): Tensor =>
  tf.customGrad((...args) => {
    const [x, y] = args as Tensor[] as [Tensor, Tensor];
    return { value: tf.add(x, y), gradFunc: (dy: Tensor) => [dy, dy] };
  })(a, b);

const gradientsOf = (f: () => tf.Scalar, xs: tf.Tensor[]) => tf.engine().gradients(f, xs);

describeBackends(['cpu', 'wasm'], () => {
  test('what a backward pass has used is freed before it goes on', () => {
    const x = noise(1, [1000]);
    const chain = (bytes: number[]) => () => {
      let y: Tensor = x;
      for (let i = 0; i < 8; i++) y = noted(tf.mul(y, 0.5), bytes);
      return tf.sum(y) as tf.Scalar;
    };
    const [kept, freed]: [number[], number[]] = [[], []];
    gradientsOf(chain(kept), [x]);
    gradientsOf(releasing(chain(freed)), [x]);
    expect(kept).toHaveLength(8);
    // A layer that is done leaves nothing: its saved input goes, and its gradients with it.
    for (let i = 1; i < 8; i++) {
      expect(kept[i]).toBeGreaterThan(kept[i - 1] as number);
      expect(freed[i]).toBeLessThan(freed[i - 1] as number);
    }
  });

  test('gradients are the same, those that meet or are passed on too', async () => {
    const [x, w] = [noise(1, [6]), noise(2, [6])];
    const f = () => {
      const shared = tf.mul(x, w);
      const passed = both(tf.sin(shared), tf.exp(shared)); // one gradient, used twice
      const joined = tf.concat([passed, both(passed, passed), tf.clone(shared)]);
      return tf.sum(tf.mul(joined, tf.reverse(joined))) as tf.Scalar;
    };
    const expected = gradientsOf(f, [x, w]);
    const actual = gradientsOf(releasing(f), [x, w]);
    await expect(actual.value).toBeAllclose(expected.value, 0);
    for (const [i, gradient] of actual.grads.entries()) {
      await expect(gradient as Tensor).toBeAllclose(expected.grads[i] as Tensor, 0);
    }
  });

  test('a gradient of a gradient still finds what it needs', async () => {
    const x = noise(1, [5]);
    const cubes = releasing(() => tf.sum(tf.mul(x, tf.square(x))) as tf.Scalar);
    const [second] = tf.grads((v) => tf.sum(gradientsOf(cubes, [x, v]).grads[0] as Tensor))([x]);
    await expect(second as Tensor).toBeAllclose(tf.mul(6, x));
  });
});
