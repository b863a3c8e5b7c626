// Values for this package's tests; no part of the package.
import { float32View, type TensorView, toFloat32 } from '@sd/checkpoint';
import { valueAndGradients } from '@sd/nn';
import { describeBackends, expectTensors, type Tolerance } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { formulaImage, formulaWeights, goldenSet, nhwc, numbers, shapesOf } from '../golden-values';
import { AutoencoderTiny } from './autoencoder-tiny';
import type { AutoencoderTinyConfig } from './config';
import { tinyPresets } from './presets';

const WHOLE_NETWORK = 1e-4;
const GRADIENT: Tolerance = { relative: WHOLE_NETWORK, of: 'gradient' };
export const narrow = (config: AutoencoderTinyConfig, range: 'unit' | 'signed'): AutoencoderTinyConfig => ({
  ...config,
  encoderCh: 8,
  decoderCh: 8,
  range,
});
export const sets = {
  taesd: narrow(tinyPresets.taesd, 'unit'),
  taesd3: narrow(tinyPresets.taesd3, 'unit'),
  taef2: narrow(tinyPresets.taef2, 'unit'),
};

/** The script's weights, under TAESD's names; each block's last convolution is a quarter there. */
export async function load(config: AutoencoderTinyConfig): Promise<AutoencoderTiny> {
  const model = new AutoencoderTiny(config);
  for (const part of [model.encoder, model.decoder]) {
    const names = shapesOf(await part.stateDict());
    const weights = formulaWeights(names);
    for (const [name, view] of weights) if (name.endsWith('conv.4.weight')) weights.set(name, quarter(view));
    part.loadStateDict(weights);
    expect(part.loadedLayout?.project).toBe('TAESD');
  }
  return model;
}

const quarter = (view: TensorView) =>
  float32View(
    toFloat32(view).map((value) => value / 4),
    view.shape,
  );

/** The values and gradients of PyTorch; a suite on the named backends. */
export function describeTinyValues(backends: readonly ('cpu' | 'wasm' | 'webgpu')[]): void {
  describeBackends(backends, () => {
    test.each(Object.entries(sets))('%s has the latents, images and gradients of PyTorch', async (name, config) => {
      const model = await load(config);
      const expected = goldenSet(name);
      const channels = config.latentChannels;
      const x = tf.tidy(() => tf.div(tf.add(formulaImage([1, 3, 32, 40], 3), 1), 2)) as tf.Tensor4D;
      const z = await expectTensors(1, () => model.encode(x));
      await expect(z).toBeAllclose(nhwc(expected, 'z'), WHOLE_NETWORK);
      const gradZ = formulaImage([1, channels, 4, 5], 4);
      const dx = await expectTensors(1, () => tf.grad((v) => model.encode(v as tf.Tensor4D))(x, gradZ));
      await expect(dx).toBeAllclose(nhwc(expected, 'grad_x'), GRADIENT);
      const { value, gradients } = valueAndGradients(
        () => tf.sum(tf.mul(model.encode(x), gradZ)),
        new Map([['w', model.parameters().get('encoder.layers.10.weight')!]]),
      );
      const dw = tf.transpose(gradients.get('w')!, [3, 2, 0, 1]); // OIHW
      await expect(dw).toBeAllclose(numbers(expected, 'grad_w'), GRADIENT);

      const latents = tf.mul(formulaImage([1, channels, 4, 5], 5), 5) as tf.Tensor4D;
      const y = await expectTensors(1, () => model.decode(latents));
      await expect(y).toBeAllclose(nhwc(expected, 'y'), WHOLE_NETWORK);
      const gradY = formulaImage([1, 3, 32, 40], 6);
      const dz = await expectTensors(1, () => tf.grad((v) => model.decode(v as tf.Tensor4D))(latents, gradY));
      await expect(dz).toBeAllclose(nhwc(expected, 'grad_latents'), GRADIENT);
      tf.dispose([x, z, gradZ, dx, value, dw, ...gradients.values(), latents, y, gradY, dz]);
      model.dispose();
    });
  });
}
