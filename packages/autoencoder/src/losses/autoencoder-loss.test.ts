import { foldIn, randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AutoencoderKL } from '../autoencoder-kl';
import { createAutoencoder } from '../create-autoencoder';
import { presets } from '../presets';
import { descend, images, smallKL, smallVQ } from '../testing';
import { VQModel } from '../vq-model';
import { autoencoderLoss } from './autoencoder-loss';

const meanAbsolute = (x: tf.Tensor, y: tf.Tensor): tf.Scalar => tf.mean(tf.abs(tf.sub(x, y)));

describeBackends(['cpu', 'wasm'], (backend) => {
  test("KL: the total is LDM's, divided by the number of values in an image", async () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const x = images(2);
    const logvar = tf.scalar(0.3);
    const distance = (a: tf.Tensor4D, b: tf.Tensor4D) => tf.mean(tf.square(tf.sub(a, b)), [1, 2, 3], true); // [N, 1, 1, 1]
    const options = { logvar, perceptual: distance, perceptualWeight: 0.5, klWeight: 1e-2, key: randomKey(3) };
    const { total, parts } = await expectTensors(4, () => autoencoderLoss(model, x, options));
    expect(Object.keys(parts)).toEqual(['rec', 'perceptual', 'kl']);

    // LPIPSWithDiscriminator.forward: sums over an image, averages over the batch
    const posterior = model.encode(x);
    const y = model.decode(posterior.sample(foldIn(randomKey(3), 'posterior')));
    const error = tf.add(tf.abs(tf.sub(x, y)), tf.mul(distance(x, y), 0.5));
    const nll = tf.add(tf.div(error, Math.exp(0.3)), 0.3);
    const ldm = tf.add(tf.div(tf.sum(nll), 2), tf.mul(tf.div(tf.sum(posterior.kl()), 2), 1e-2));
    await expect(total).toBeAllclose(tf.div(ldm, 8 * 8 * 3));
    await expect(parts.rec).toBeAllclose(meanAbsolute(x, y));
    await expect(parts.kl).toBeAllclose(tf.mean(posterior.kl()));
    await expect(parts.perceptual).toBeAllclose(tf.mean(distance(x, y)));
    model.dispose();
  });

  test('more distances are added with their weights, under their names', async () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const x = images(2);
    const squares = (a: tf.Tensor4D, b: tf.Tensor4D) => tf.square(tf.sub(a, b));
    const means = (a: tf.Tensor4D, b: tf.Tensor4D) => tf.abs(tf.sub(tf.mean(a, [1, 2]), tf.mean(b, [1, 2]))); // [N, C]
    const distances = { edges: { distance: squares, weight: 0.5 }, colors: { distance: means, weight: 3 } };
    const options = { klWeight: 0, perceptual: squares, perceptualWeight: 2, distances };
    const { total, parts } = await expectTensors(6, () => autoencoderLoss(model, x, options));
    expect(Object.keys(parts)).toEqual(['rec', 'perceptual', 'edges', 'colors', 'kl']);
    const y = model.decode(model.encode(x).mean);
    await expect(parts.edges).toBeAllclose(tf.mean(squares(x, y)));
    await expect(parts.colors).toBeAllclose(tf.mean(means(x, y)));
    const expected = tf.addN([
      meanAbsolute(x, y),
      tf.mul(tf.mean(squares(x, y)), 2.5),
      tf.mul(tf.mean(means(x, y)), 3),
    ]);
    await expect(total).toBeAllclose(expected);
    model.dispose();
  });

  test('a distance with the name of another part is refused', () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const distances = { kl: { distance: (a: tf.Tensor4D) => a, weight: 1 } };
    expect(() => autoencoderLoss(model, images(1), { distances })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: autoencoderLoss: distances must be named otherwise than rec, perceptual, kl, codebook, perplexity, g, adaptiveWeight, got "kl"]`,
    );
    model.dispose();
  });

  test('KL: without a key the mean is decoded', async () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const x = images(2);
    const { total, parts } = await expectTensors(3, () => autoencoderLoss(model, x, { klWeight: 0 }));
    await expect(parts.rec).toBeAllclose(meanAbsolute(x, model.decode(model.encode(x).mean)));
    await expect(total).toBeAllclose(parts.rec);
    model.dispose();
  });

  test('VQ: the total is the error plus the codebook loss', async () => {
    const model = new VQModel(smallVQ).initialize(randomKey(1));
    const x = images(2);
    const { total, parts } = await expectTensors(4, () => autoencoderLoss(model, x, { norm: 'l2', codebookWeight: 2 }));
    expect(Object.keys(parts)).toEqual(['rec', 'codebook', 'perplexity']);
    const z = model.encode(x);
    const quantization = model.quantize(z);
    const rec = tf.mean(tf.square(tf.sub(x, model.decode(z))));
    await expect(parts.rec).toBeAllclose(rec);
    await expect(parts.codebook).toBeAllclose(quantization.loss);
    await expect(parts.perplexity).toBeAllclose(quantization.perplexity);
    await expect(total).toBeAllclose(tf.add(rec, tf.mul(quantization.loss, 2)));
    model.dispose();
  });

  test("the gradient of a KL model's loss is that of finite differences", async () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const options = { norm: 'l2', klWeight: 1e-2, key: randomKey(1) } as const;
    await expectGradient((x) => autoencoderLoss(model, x as tf.Tensor4D, options).total, images(1), { directions: 1 });
    model.dispose();
  });

  test('the straight-through gradient reaches every parameter of a VQ model that has an influence', async () => {
    const model = new VQModel(smallVQ).initialize(randomKey(1));
    const x = images(2);
    const before = await model.stateDict();
    await descend(model, () => autoencoderLoss(model, x).total, 1, 0.1);
    for (const [name, view] of await model.stateDict()) {
      // a softmax does not see what is added to all keys
      if (!name.endsWith('.k.bias')) expect(view, name).not.toEqual(before.get(name));
    }
    model.dispose();
  });

  const plainKL = { ...smallKL, attnType: 'none', attnResolutions: [] } as const;
  const tiny = { ...presets['tiny-kl-f2'], ch: 4, zChannels: 2, embedDim: 2, resolution: 8 };
  // the cpu backend takes seconds for each
  const models = backend === 'cpu' ? { tiny } : { plainKL, smallKL, smallVQ, tiny };

  test.each(Object.entries(models))(
    '30 steps of gradient descent lower the loss, leak nothing and come out the same again: %s',
    async (_, config) => {
      const x = images(2);
      const key = randomKey(9);
      const train = async (steps: number) => {
        const model = createAutoencoder(config).initialize(randomKey(1));
        const loss = (step: number) => autoencoderLoss(model, x, { norm: 'l2', key: foldIn(key, step) }).total;
        const losses = await descend(model, loss, steps, 0.05);
        model.dispose();
        return losses;
      };
      const losses = await expectTensors(0, () => train(30));
      expect(losses[29]).toBeLessThan(0.8 * losses[0]);
      expect(await train(3)).toEqual(losses.slice(0, 3));
    },
  );
});
