// Values for this package's tests; no part of the package.
import { type StateDict, toFloat32 } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { type Module, type Parameter, valueAndGradients, withoutPrefix } from '@sd/nn';
import { describeBackends, expectTensors, type Tolerance } from '@sd/testing';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, expect, test, vi } from 'vitest';
import { type Autoencoder, createAutoencoder } from '../create-autoencoder';
import { DiagonalGaussian } from '../diagonal-gaussian';
import { formulaImage, formulaWeights, goldenSet, nhwc, numbers, shapesOf } from '../golden-values';
import { smallKL, smallVQ } from '../testing';
import { autoencoderLoss } from './autoencoder-loss';
import { discriminatorLoss } from './discriminator-loss';
import { NLayerDiscriminator } from './n-layer-discriminator';

const WHOLE_NETWORK = 1e-4;
const GRADIENT: Tolerance = { relative: WHOLE_NETWORK, of: 'gradient' };

async function withFormula<M extends Module>(module: M): Promise<M> {
  module.loadStateDict(formulaWeights(shapesOf(await module.stateDict())));
  return module;
}

/** goldens/make-autoencoders.py's stand-in for LPIPS: mean of (x - y)^2 sigmoid(x + y), `[N, 1, 1, 1]`. */
function perceptual(x: Tensor4D, y: Tensor4D): Tensor {
  return tf.mean(tf.mul(tf.square(tf.sub(x, y)), tf.sigmoid(tf.add(x, y))), [1, 2, 3], true);
}

/** Gradients in PyTorch's names and layouts, checked, then a step of plain gradient descent. */
async function checkAndDescend(
  parameters: ReadonlyMap<string, Parameter>,
  gradients: ReadonlyMap<string, Tensor>,
  expected: StateDict,
  rate: number,
  scale = 1,
): Promise<void> {
  const largest = Math.max(...[...expected.values()].map((view) => Math.max(...toFloat32(view).map(Math.abs))));
  for (const [name, gradient] of gradients) {
    const parameter = parameters.get(name) as Parameter;
    const scaled = tf.mul(gradient, scale);
    const torch = parameter.layout === 'oihw->hwio' ? tf.transpose(scaled, [3, 2, 0, 1]) : scaled;
    // the gradient by an attention's k.bias is 0 but for rounding
    await expect(torch, name).toBeAllclose(numbers(expected, name), { ...GRADIENT, absolute: 1e-6 * largest });
    tf.tidy(() => parameter.assign(tf.sub(parameter.value, tf.mul(scaled, rate))));
    tf.dispose([scaled, torch]);
  }
  expect([...gradients.keys()].sort()).toEqual([...expected.keys()].filter((name) => name !== 'logvar').sort());
}

const scalarOf = async (x: Tensor) => (await x.data())[0];

const trainings = {
  kl: { config: { ...smallKL, attnResolutions: [], resolution: 16 }, loss: 'hinge', start: 1, weight: 0.5, rate: 1e-5 },
  vq: { config: { ...smallVQ, resolution: 16 }, loss: 'vanilla', start: 0, weight: 0.75, rate: 1e-2 },
} as const;

/** PatchGAN and two steps of training are PyTorch's; on the named backends. */
export function describeTrainingValues(backends: readonly ('cpu' | 'wasm' | 'webgpu')[]): void {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  describeBackends(backends, () => {
    test.each([
      ['disc2', { width: 4, layers: 2 }, 24],
      ['disc3', { width: 4, layers: 3 }, 32],
    ] as const)('%s: logits, gradients and running statistics of PatchGAN', async (name, config, size) => {
      const model = await withFormula(new NLayerDiscriminator(config));
      const expected = goldenSet(name);
      const x = formulaImage([2, 3, size, size], 7);
      const logits = await expectTensors(1, () => model.forward(x));
      await expect(logits).toBeAllclose(nhwc(expected, 'eval/logits'), WHOLE_NETWORK);
      expect(logits.shape.slice(1, 3)).toEqual(model.outputSize(size, size));
      const [, h, w] = logits.shape;
      const gradY = formulaImage([2, 1, h, w], 8);
      const dx = tf.grad((v) => model.forward(v as Tensor4D))(x, gradY);
      await expect(dx).toBeAllclose(nhwc(expected, 'eval/grad_x'), GRADIENT);

      const batch = tf.grad((v) => model.forward(v as Tensor4D, { statistics: 'batch' }))(x, gradY);
      await expect(batch).toBeAllclose(nhwc(expected, 'train/grad_x'), GRADIENT);
      const loss = (): Scalar => tf.sum(tf.mul(model.forward(x, { statistics: 'update' }), gradY));
      const parameters = model.parameters();
      const { value, gradients } = await expectTensors(1 + parameters.size, () => valueAndGradients(loss, parameters));
      await checkAndDescend(parameters, gradients, withoutPrefix(expected, 'grads/'), 0);
      const state = await model.stateDict();
      for (const [key, view] of withoutPrefix(expected, 'after/')) {
        expect(toFloat32(state.get(key)!), key).toBeAllclose(toFloat32(view), WHOLE_NETWORK);
      }
      const trained = model.forward(x, { statistics: 'batch' });
      await expect(trained).toBeAllclose(nhwc(expected, 'train/logits'), WHOLE_NETWORK);
      tf.dispose([x, logits, gradY, dx, batch, value, trained, ...gradients.values()]);
      model.dispose();
    });

    test.each(['kl', 'vq'] as const)('two steps of training of %s are those of taming-transformers', async (kind) => {
      const { config, loss, start, weight, rate } = trainings[kind];
      const model: Autoencoder = await withFormula(createAutoencoder(config));
      const discriminator = await withFormula(new NLayerDiscriminator({ width: 4, layers: 2 }));
      const parameters = model.parameters();
      let logvar = 0.1;
      for (const step of [0, 1]) {
        const expected = goldenSet(`${kind}/step${step}`);
        const value = (name: string) => numbers(expected, name);
        const x = formulaImage([2, 3, 16, 16], 20 + step);
        const noise = formulaImage([2, 3, 8, 8], 30 + step);
        vi.spyOn(DiagonalGaussian.prototype, 'sample').mockImplementation(function (this: DiagonalGaussian) {
          return tf.tidy(() => tf.add(this.mean, tf.mul(tf.exp(tf.mul(this.logvar, 0.5)), noise)));
        });
        const perImage = kind === 'kl' ? x.size / 2 : 1; // LDM sums over an image
        const logvarTensor = tf.scalar(logvar);
        const options = {
          perceptual,
          adversarial: { discriminator, step, start, weight },
          ...(kind === 'kl' ? { logvar: logvarTensor, key: randomKey(1) } : {}),
        };
        const kept: Record<string, Scalar> = {};
        const partCount = kind === 'kl' ? 5 : 6;
        const generator = await expectTensors(1 + parameters.size + partCount, () =>
          valueAndGradients(() => {
            const result = autoencoderLoss(model, x, options);
            for (const [name, part] of Object.entries(result.parts)) kept[name] = tf.keep(part);
            return result.total;
          }, parameters),
        );
        const parts: Record<string, number> = {};
        for (const [name, part] of Object.entries(kept)) parts[name] = await scalarOf(part);
        tf.dispose(kept);
        await expect(tf.mul(generator.value, perImage)).toBeAllclose(value('total'), WHOLE_NETWORK);
        expect(parts.rec).toBeAllclose(value('rec'), WHOLE_NETWORK);
        expect(parts.perceptual).toBeAllclose(value('perceptual'), WHOLE_NETWORK);
        const error = parts.rec + parts.perceptual;
        const nll = kind === 'kl' ? perImage * (error / Math.exp(logvar) + logvar) : error;
        expect(nll).toBeAllclose(value('nll'), WHOLE_NETWORK);
        expect(parts.g).toBeAllclose(value('g'), WHOLE_NETWORK);
        expect(parts.adaptiveWeight).toBeAllclose(value('adaptive'), WHOLE_NETWORK);
        expect(kind === 'kl' ? parts.kl : parts.codebook).toBeAllclose(value('extra'), WHOLE_NETWORK);

        if (kind === 'kl') {
          // logvar is the caller's: its gradient, without a second move of the running statistics
          const still = { forward: (image: Tensor4D) => discriminator.forward(image, { statistics: 'batch' }) };
          const again = { ...options, adversarial: { ...options.adversarial, discriminator: still } };
          const dLogvar = tf.grad((v) => autoencoderLoss(model, x, { ...again, logvar: v }).total)(logvarTensor);
          const gradient = (await scalarOf(dLogvar)) * perImage;
          expect(gradient).toBeAllclose(value('grads/logvar'), GRADIENT);
          logvar -= rate * gradient;
          dLogvar.dispose();
        }
        await checkAndDescend(parameters, generator.gradients, withoutPrefix(expected, 'grads/'), rate, perImage);

        const encoded = model.encode(x);
        const z = encoded instanceof DiagonalGaussian ? encoded.sample(randomKey(1)) : encoded;
        const y = model.decode(z);
        const ofDiscriminator = discriminator.parameters();
        const logits: Scalar[] = [];
        const turn = valueAndGradients(() => {
          const result = discriminatorLoss(discriminator, x, y, { loss, step, start });
          logits.push(tf.keep(result.parts.logitsReal), tf.keep(result.parts.logitsFake));
          return result.total;
        }, ofDiscriminator);
        await expect(turn.value).toBeAllclose(value('disc'), { relative: WHOLE_NETWORK, absolute: 1e-9 });
        await expect(logits[0]).toBeAllclose(value('logits_real'), 1e-3); // a mean of logits ten times as large
        await expect(logits[1]).toBeAllclose(value('logits_fake'), 1e-3);
        await checkAndDescend(ofDiscriminator, turn.gradients, withoutPrefix(expected, 'disc_grads/'), 0.01);
        const state = await discriminator.stateDict();
        for (const [key, view] of withoutPrefix(expected, 'buffers/')) {
          expect(toFloat32(state.get(key)!), key).toBeAllclose(toFloat32(view), WHOLE_NETWORK);
        }
        tf.dispose([x, noise, logvarTensor, generator.value, ...generator.gradients.values(), z, y, ...logits]);
        tf.dispose([turn.value, ...turn.gradients.values()]);
        if (encoded instanceof DiagonalGaussian) encoded.dispose();
      }
      model.dispose();
      discriminator.dispose();
    });
  });
}
