// Values for this package's tests; no part of the package.
import { readSafetensors, type StateDict, toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { describeBackends, expectTensors, golden } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { autoencoderFromLdm, type LdmAutoencoderParams } from './from-ldm';
import { VQModel } from './vq-model';

const WHOLE_NETWORK = 1e-4;
export const file = readSafetensors(golden('ldm_autoencoder.safetensors'));
export const params = JSON.parse(file.metadata.configs) as { vq_f4: LdmAutoencoderParams; kl_f8: LdmAutoencoderParams };

/** An NCHW array of the file as an NHWC tensor. */
function nhwc(state: StateDict, name: string): tf.Tensor4D {
  const view = state.get(name);
  if (!view) throw new Error(`the golden file has no ${name}`);
  const shape = view.shape as [number, number, number, number];
  return tf.tidy(() => tf.transpose(tf.tensor4d(toFloat32(view), shape), [0, 2, 3, 1]));
}

export function numbers(state: StateDict, name: string): Float32Array {
  const view = state.get(name);
  if (!view) throw new Error(`the golden file has no ${name}`);
  return toFloat32(view);
}

/** Latents, codes, losses and images of CompVis; on the named backends. */
export function describeLdmValues(backends: readonly ('cpu' | 'wasm' | 'webgpu')[]): void {
  describeBackends(backends, () => {
    test('the VQ model gives the latent, codes, loss and image of CompVis with its weights', async () => {
      const state = withoutPrefix(file.tensors, 'vq_f4/');
      const model = autoencoderFromLdm(params.vq_f4) as VQModel;
      expect(model).toBeInstanceOf(VQModel);
      model.loadStateDict(withoutPrefix(state, 'weights/'));
      const x = nhwc(state, 'x');
      const h = await expectTensors(1, () => model.encode(x));
      await expect(h).toBeAllclose(nhwc(state, 'h'), WHOLE_NETWORK);
      const { quantized, indices, loss, perplexity } = await expectTensors(4, () => model.quantize(h));
      await expect(quantized).toBeAllclose(nhwc(state, 'quantized'), WHOLE_NETWORK);
      expect(Array.from(await indices.data())).toEqual(Array.from(numbers(state, 'indices')));
      await expect(loss).toBeAllclose(numbers(state, 'commit_loss'), WHOLE_NETWORK);
      expect((await perplexity.data())[0]).toBeGreaterThan(1);
      const y = await expectTensors(1, () => model.decode(h));
      await expect(y).toBeAllclose(nhwc(state, 'y'), WHOLE_NETWORK);
      const fromCodes = await expectTensors(1, () => model.decodeQuantized(quantized));
      await expect(fromCodes).toBeAllclose(y, 1e-6);
      model.dispose();
    });

    test('the KL model gives the posterior, divergence and image of CompVis with its weights', async () => {
      const state = withoutPrefix(file.tensors, 'kl_f8/');
      const model = autoencoderFromLdm(params.kl_f8) as AutoencoderKL;
      expect(model).toBeInstanceOf(AutoencoderKL);
      model.loadStateDict(withoutPrefix(state, 'weights/'));
      const x = nhwc(state, 'x');
      const posterior = await expectTensors(2, () => model.encode(x));
      await expect(posterior.mean).toBeAllclose(nhwc(state, 'mean'), WHOLE_NETWORK);
      await expect(posterior.logvar).toBeAllclose(nhwc(state, 'logvar'), WHOLE_NETWORK);
      await expect(posterior.kl()).toBeAllclose(numbers(state, 'kl'), WHOLE_NETWORK);
      const z = posterior.mode();
      const y = await expectTensors(1, () => model.decode(z));
      await expect(y).toBeAllclose(nhwc(state, 'y'), WHOLE_NETWORK);
      model.dispose();
    });
  });
}
