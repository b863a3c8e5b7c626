// Values for this package's tests; no part of the package.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { float16View, readSafetensors, type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { valueAndGradients, withoutPrefix } from '@sd/nn';
import { describeBackends, expectTensors, golden, type Tolerance } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { autoencoderFromDiffusers, type DiffusersAutoencoderConfig } from './from-diffusers';
import { formulaImage, formulaWeights, goldenSet, goldenShapes, nhwc, numbers } from './golden-values';
import { AutoencoderTiny } from './tiny/autoencoder-tiny';
import { VQModel } from './vq-model';

const WHOLE_NETWORK = 1e-4;
const GRADIENT: Tolerance = { relative: WHOLE_NETWORK, of: 'gradient' };
const file = readSafetensors(golden('diffusers_autoencoders.safetensors'));
const byFormula = readSafetensors(golden('diffusers_autoencoders_formula.safetensors')).tensors;
export const classes = { autoencoder_kl: AutoencoderKL, vq_model: VQModel, autoencoder_tiny: AutoencoderTiny } as const;
const classNames = { autoencoder_kl: 'AutoencoderKL', vq_model: 'VQModel', autoencoder_tiny: 'AutoencoderTiny' };
type SetName = keyof typeof classes;
export const names = Object.keys(classes) as SetName[];

/** The weights of two of the sets are too large for the repository: they are in the whole reference file. */
const folder = process.env.SD_REFERENCE;
const whole = folder ? join(folder, 'diffusers_models.safetensors') : undefined;
const tensors =
  whole && existsSync(whole) ? readSafetensors(new Uint8Array(readFileSync(whole))).tensors : file.tensors;

const part = (name: SetName): StateDict => withoutPrefix(tensors, `${name}/`);
const weightsOf = (name: SetName): StateDict => withoutPrefix(tensors, `${name}/weights/`);
const withWeights = (name: SetName) => weightsOf(name).size > 0;
export const shapes = JSON.parse(file.metadata.shapes) as Record<SetName, Record<string, number[]>>;

export function fromConfig(name: SetName) {
  const configs = JSON.parse(file.metadata.configs) as Record<SetName, { config: DiffusersAutoencoderConfig }>;
  return autoencoderFromDiffusers({ _class_name: classNames[name], ...configs[name].config });
}

/** Two checkpoints of the same names, shapes, dtypes and bytes. */
function expectSameFile(written: StateDict, reference: StateDict): void {
  expect([...written.keys()].sort()).toEqual([...reference.keys()].sort());
  for (const [name, { dtype, shape, data }] of reference) {
    const own = written.get(name) as TensorView;
    expect({ name, dtype: own.dtype, shape: own.shape }).toEqual({ name, dtype, shape });
    expect(Buffer.compare(Buffer.from(own.data), Buffer.from(data)), name).toBe(0);
  }
}

const halves = (state: StateDict): Map<string, TensorView> =>
  new Map([...state].map(([name, view]) => [name, float16View(toFloat32(view), view.shape)]));

/** Latents, images and gradients of diffusers and of PyTorch, and the bytes of what is written; on the named backends. */
export function describeDiffusersValues(backends: readonly ('cpu' | 'wasm' | 'webgpu')[]): void {
  describeBackends(backends, () => {
    for (const name of names) {
      test.skipIf(!withWeights(name))(`${name} has diffusers' latent and image; SD_REFERENCE for all`, async () => {
        const model = fromConfig(name);
        model.loadStateDict(weightsOf(name));
        expect(model.loadedLayout?.project).toBe('diffusers');
        const expected = part(name);
        const x = nhwc(expected, 'x');
        const encoded = model.encode(x);
        const z = encoded instanceof tf.Tensor ? encoded : encoded.mode();
        await expect(z).toBeAllclose(nhwc(expected, 'z'), WHOLE_NETWORK);
        const latent = nhwc(expected, 'z');
        const y = await expectTensors(1, () => model.decode(latent));
        await expect(y).toBeAllclose(nhwc(expected, 'y'), WHOLE_NETWORK);
        expectSameFile(halves(await model.stateDict({ layout: 'diffusers' })), weightsOf(name));
        model.dispose();
      });
    }

    test.each(['autoencoder_kl', 'vq_model'] as const)(
      "%s has diffusers' latents, losses, images and gradients on weights by formula",
      async (name) => {
        const expected = withoutPrefix(byFormula, `${name}/`);
        const weights = formulaWeights(shapes[name]);
        const model = fromConfig(name).loadStateDict(weights);
        const x = formulaImage([1, 3, 16, 16], 50);
        const gradY = formulaImage([1, 3, 16, 16], 51);
        const loss =
          model instanceof AutoencoderKL
            ? await kullbackLeibler(model, x, gradY, expected)
            : await vectorQuantized(model as VQModel, x, gradY, expected);
        const dx = tf.grad((v) => loss(v as tf.Tensor4D))(x);
        await expect(dx).toBeAllclose(nhwc(expected, 'grad_x'), GRADIENT);
        const { gradients } = valueAndGradients(() => loss(x), model.parameters());
        // as the weights are written, so are their gradients
        const parameters = model.parameters();
        for (const [own, gradient] of gradients) parameters.get(own)!.assign(gradient);
        const written = await model.stateDict({ layout: 'diffusers' });
        const compared = withoutPrefix(expected, 'grads/');
        expect(compared.size).toBe(name === 'vq_model' ? 7 : 6);
        for (const [key, view] of compared) {
          await expect(toFloat32(written.get(key)!), key).toBeAllclose(toFloat32(view), GRADIENT);
        }
        model.dispose();
      },
    );

    const common = {
      _class_name: 'AutoencoderKL',
      down_block_types: ['DownEncoderBlock2D', 'AttnDownEncoderBlock2D', 'DownEncoderBlock2D'],
      up_block_types: ['UpDecoderBlock2D', 'AttnUpDecoderBlock2D', 'UpDecoderBlock2D'],
      block_out_channels: [4, 8, 16],
      norm_num_groups: 2,
      sample_size: 64,
    };
    test.each([
      ['diffusers_kl', common],
      ['diffusers_flux', { ...common, use_quant_conv: false, use_post_quant_conv: false, shift_factor: 0.1159 }],
    ])('%s: three levels and attention have the values and gradients of a network in PyTorch', async (name, config) => {
      const model = autoencoderFromDiffusers(config) as AutoencoderKL;
      const weights = formulaWeights(goldenShapes(name));
      model.loadStateDict(weights);
      expect(model.loadedLayout).toMatchObject({ project: 'diffusers', matched: weights.size, total: weights.size });
      const expected = goldenSet(name);
      const x = formulaImage([1, 3, 16, 24], 9);
      const { mean, logvar } = model.encode(x);
      const h = nhwc(expected, 'h');
      const [expectedMean, expectedLogvar] = tf.split(h, 2, 3);
      await expect(mean).toBeAllclose(expectedMean, WHOLE_NETWORK);
      await expect(logvar).toBeAllclose(expectedLogvar, WHOLE_NETWORK);
      await expect(model.decode(mean)).toBeAllclose(nhwc(expected, 'y'), WHOLE_NETWORK);
      const gradY = formulaImage([1, 3, 16, 24], 10);
      const dx = tf.grad((v) => model.decode(model.encode(v as tf.Tensor4D).mode()))(x, gradY);
      await expect(dx).toBeAllclose(nhwc(expected, 'grad_x'), GRADIENT);
      expectSameFile(await model.stateDict({ layout: 'diffusers' }), weights);

      const deprecated = new Map([...weights].map(([key, view]) => [formerly(key), view]));
      const copy = autoencoderFromDiffusers(config);
      copy.loadStateDict(deprecated);
      expect(copy.loadedLayout).toMatchObject({ project: 'diffusers', matched: weights.size });
      expectSameFile(await copy.stateDict(), await model.stateDict());
      copy.dispose();
      model.dispose();
    });
  });
}

/** Compares the values; gives what is differentiated, sum(y gradY) of the decoded mean. */
async function kullbackLeibler(model: AutoencoderKL, x: tf.Tensor4D, gradY: tf.Tensor4D, expected: StateDict) {
  const posterior = model.encode(x);
  await expect(posterior.mean).toBeAllclose(nhwc(expected, 'mean'), WHOLE_NETWORK);
  await expect(posterior.logvar).toBeAllclose(nhwc(expected, 'logvar'), WHOLE_NETWORK);
  await expect(posterior.kl()).toBeAllclose(numbers(expected, 'kl'), WHOLE_NETWORK);
  await expect(model.decode(posterior.mean)).toBeAllclose(nhwc(expected, 'y'), WHOLE_NETWORK);
  return (v: tf.Tensor4D): tf.Scalar => tf.sum(tf.mul(model.decode(model.encode(v).mode()), gradY));
}

/** As `kullbackLeibler`; the loss of quantization is added to what is differentiated. */
async function vectorQuantized(model: VQModel, x: tf.Tensor4D, gradY: tf.Tensor4D, expected: StateDict) {
  const z = model.encode(x);
  await expect(z).toBeAllclose(nhwc(expected, 'z'), WHOLE_NETWORK);
  const { quantized, indices, loss } = model.quantize(z);
  await expect(quantized).toBeAllclose(nhwc(expected, 'quantized'), WHOLE_NETWORK);
  expect(Array.from(await indices.data())).toEqual(Array.from(numbers(expected, 'indices')));
  await expect(loss).toBeAllclose(numbers(expected, 'loss'), WHOLE_NETWORK);
  await expect(model.decode(z)).toBeAllclose(nhwc(expected, 'y'), WHOLE_NETWORK);
  return (v: tf.Tensor4D): tf.Scalar => {
    const step = model.quantize(model.encode(v));
    return tf.add(tf.sum(tf.mul(model.decodeQuantized(step.quantized), gradY)), step.loss);
  };
}

const FORMER = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' } as const;
const formerly = (key: string) =>
  Object.entries(FORMER).reduce((name, [now, former]) => name.replace(`.${now}.`, `.${former}.`), key);
