import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { images, smallVQ } from '../testing';
import { VQModel } from '../vq-model';
import { autoencoderLoss } from './autoencoder-loss';
import { discriminatorLoss } from './discriminator-loss';
import { NLayerDiscriminator } from './n-layer-discriminator';

/** Its logits are the images themselves. */
const identity = { forward: (x: tf.Tensor4D) => tf.clone(x) };
const real = () => tf.tensor4d([2, 0.5], [1, 1, 2, 1]);
const fake = () => tf.tensor4d([-3, 1], [1, 1, 2, 1]);

describeBackends(['cpu', 'wasm'], () => {
  test('hinge counts what is short of a margin of 1, vanilla the log-likelihood; neither before the start', async () => {
    const [x, y] = [real(), fake()];
    const hinge = await expectTensors(3, () => discriminatorLoss(identity, x, y, { step: 0 }));
    await expect(hinge.total).toBeAllclose(0.5 * (0.5 / 2 + 2 / 2));
    await expect(hinge.parts.logitsReal).toBeAllclose(1.25);
    await expect(hinge.parts.logitsFake).toBeAllclose(-1);
    const softplus = (v: number) => Math.log1p(Math.exp(v));
    const vanilla = discriminatorLoss(identity, x, y, { loss: 'vanilla', step: 0, factor: 2 });
    await expect(vanilla.total).toBeAllclose((softplus(-2) + softplus(-0.5) + softplus(-3) + softplus(1)) / 2);
    await expect(discriminatorLoss(identity, x, y, { step: 4, start: 5 }).total).toBeAllclose(0);
  });

  test('the adaptive weight is the ratio of both gradients by the last filter, whatever the scale of the logits', async () => {
    const model = new VQModel(smallVQ).initialize(randomKey(1));
    const x = images(2);
    const scaled = (factor: number) => ({ forward: (image: tf.Tensor4D) => tf.mul(tf.square(image), factor) });
    const run = (factor: number) =>
      autoencoderLoss(model, x, { adversarial: { discriminator: scaled(factor) as typeof identity, step: 0 } });
    const one = await expectTensors(6, () => run(100));
    const ten = run(1000);
    expect(Object.keys(one.parts)).toEqual(['rec', 'g', 'adaptiveWeight', 'codebook', 'perplexity']);
    await expect(tf.mul(one.parts.adaptiveWeight, one.parts.g)).toBeAllclose(
      tf.mul(ten.parts.adaptiveWeight, ten.parts.g),
      1e-3, // the 1e-4 beside the gradient's norm
    );
    const plain = autoencoderLoss(model, x);
    await expect(plain.parts.rec).toBeAllclose(one.parts.rec);
    await expect(tf.sub(one.total, plain.total)).toBeAllclose(tf.mul(one.parts.adaptiveWeight, one.parts.g), 1e-4);
    const silent = { forward: (image: tf.Tensor4D) => tf.mul(image, 0) as tf.Tensor4D };
    const { parts } = autoencoderLoss(model, x, { adversarial: { discriminator: silent, step: 0, weight: 0.5 } });
    const bound = (await parts.adaptiveWeight.data())[0];
    expect(bound).toBeGreaterThan(0);
    expect(bound).toBeLessThanOrEqual(0.5e4);
    model.dispose();
  });

  test('PatchGAN starts with filters from N(0, 0.02) and weights of BatchNorm from N(1, 0.02)', async () => {
    const model = new NLayerDiscriminator({ width: 16 }).initialize(randomKey(3));
    const values = async (name: string) => model.parameters().get(name)!.value as tf.Tensor;
    const { mean, variance } = tf.moments(await values('main.5.weight')); // 4 x 4 x 32 x 64
    await expect(tf.sqrt(variance)).toBeAllclose(0.02, 0.02);
    await expect(mean).toBeAllclose(0, { absolute: 5e-4 });
    const norm = tf.moments(await values('main.6.weight'));
    await expect(norm.mean).toBeAllclose(1, 0.01);
    await expect(tf.sqrt(norm.variance)).toBeAllclose(0.02, 0.4);
    await expect(await values('main.6.bias')).toBeAllclose(new Float32Array(64), { absolute: 0 });
    await expect(tf.max(tf.abs(await values('main.0.bias')))).not.toBeAllclose(0, { absolute: 1e-3 }); // torch's own
    model.dispose();
  });
});

test("PatchGAN has the parameters of taming-transformers'", () => {
  // input_nc 3, ndf 64, 3 and 2 layers: what PyTorch counts in goldens/make-autoencoders.py's
  expect(new NLayerDiscriminator().parameterCount).toBe(2_765_633);
  expect(new NLayerDiscriminator({ layers: 2 }).parameterCount).toBe(663_361);
});

test('each bad argument is named', () => {
  const [x, y] = [real(), fake()];
  const model = new NLayerDiscriminator({ width: 2 });
  const calls: (() => unknown)[] = [
    () => discriminatorLoss(identity, x, tf.zeros([1, 2, 1, 1]), { step: 0 }),
    () => discriminatorLoss(identity, tf.zeros([2, 2]) as unknown as tf.Tensor4D, y, { step: 0 }),
    () => discriminatorLoss(identity, x, y, { step: -1 }),
    () => discriminatorLoss(identity, x, y, { step: 0, start: 0.5 }),
    () => discriminatorLoss(identity, x, y, { step: 0, factor: Number.NaN }),
    () => discriminatorLoss(identity, x, y, { step: 0, loss: 'wgan' as 'hinge' }),
    () => model.forward(tf.zeros([1, 32, 32, 1])),
    () => model.forward(tf.zeros([1, 23, 32, 3])),
    () => new NLayerDiscriminator({ layers: 0 }),
    () => new NLayerDiscriminator({ width: 0.5 }),
    () => new NLayerDiscriminator({ inChannels: 0 }),
  ];
  const messages = calls.map((call) => {
    try {
      call();
      return 'no error';
    } catch (error) {
      return String(error);
    }
  });
  expect(messages).toMatchInlineSnapshot(`
    [
      "ShapeError: discriminatorLoss: reconstruction must be [1, 1, 2, 1], got [1, 2, 1, 1]",
      "ShapeError: discriminatorLoss: x must be [N, H, W, C], got [2, 2]",
      "ArgumentError: discriminatorLoss: step must be an integer >= 0, got -1",
      "ArgumentError: discriminatorLoss: start must be an integer >= 0, got 0.5",
      "ArgumentError: discriminatorLoss: factor must be a number >= 0, got NaN",
      "ArgumentError: discriminatorLoss: loss must be 'hinge' or 'vanilla', got "wgan"",
      "ShapeError: NLayerDiscriminator: x must be [N, H, W, 3], got [1, 32, 32, 1]",
      "ArgumentError: NLayerDiscriminator: image size must be at least 24, got [23, 32]",
      "ArgumentError: NLayerDiscriminator: layers must be an integer >= 1, got 0",
      "ArgumentError: NLayerDiscriminator: width must be an integer >= 1, got 0.5",
      "ArgumentError: NLayerDiscriminator: inChannels must be an integer >= 1, got 0",
    ]
  `);
});
