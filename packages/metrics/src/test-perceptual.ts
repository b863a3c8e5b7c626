// Values for this package's tests; no part of the package.
import { float32View } from '@sd/checkpoint';
import { expectTensors, type Tolerance } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'vitest';
import type { FeatureNetwork, LayeredNetwork } from './networks/feature-network';
import { PerceptualDistance } from './perceptual-distance';
import { formulaState, formulaValues, goldenTensor } from './test-values';

const GRADIENT: Tolerance = { relative: 1e-4, of: 'gradient' };

/** Heads by the formula of goldens/metrics.safetensors. */
export function headsFor({ channels }: LayeredNetwork) {
  return new Map(
    channels.map((width, k) => [
      `lin${k}.model.1.weight`,
      float32View(formulaValues(k, width, 1, 0.5), [1, width, 1, 1]),
    ]),
  );
}

/** Distances and gradients to x are those of torch under lpips/`name`, without heads and with. */
export async function expectGolden(name: string, network: FeatureNetwork, x: Tensor4D, y: Tensor4D) {
  network.loadStateDict(formulaState(network));
  const lpips = new PerceptualDistance(network);
  for (const kind of ['uniform', 'heads']) {
    if (kind === 'heads') lpips.loadStateDict(headsFor(network));
    expect(lpips.heads).toBe(kind === 'heads' ? 'loaded' : 'uniform');
    if (kind === 'uniform') lpips.distance(x, y).dispose(); // takes memory for the weights
    const distance = await expectTensors(1, () => lpips.distance(x, y));
    await expect(distance).toBeAllclose(goldenTensor(`lpips/${name}/${kind}`), 1e-4);
    const gradient = await expectTensors(1, () => tf.grad((a) => tf.sum(lpips.distance(a as Tensor4D, y)))(x));
    const [n, h, w, c] = x.shape;
    const part = tf.tidy(() => {
      const [rows, columns] = [h, w].map((size) => tf.range(0, size, 4, 'int32'));
      return tf.transpose(tf.gather(tf.gather(gradient, rows!, 1), columns!, 2), [0, 3, 1, 2]);
    });
    await expect(part).toBeAllclose(goldenTensor(`lpips/${name}/${kind}/gradient`), GRADIENT);
    await expect(tf.mean(tf.abs(gradient), [1, 2])).toBeAllclose(
      goldenTensor(`lpips/${name}/${kind}/gradient_mean`),
      GRADIENT,
    );
    expect([n, c]).toEqual([2, 3]);
  }
  lpips.dispose();
  network.dispose();
}
