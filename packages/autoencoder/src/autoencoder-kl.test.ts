import { float32View, type TensorView } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { StateDictError } from '@sd/nn';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { images, smallKL } from './testing';

describeBackends(['cpu', 'wasm'], () => {
  test('encode leaves the posterior, decode the image, both of any size that halves', async () => {
    const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const x = tf.tidy(() => tf.slice(images(2, 12), [0, 0, 0, 0], [2, 12, 6, 3]));
    const posterior = await expectTensors(2, () => model.encode(x));
    expect(posterior.mean.shape).toEqual([2, 6, 3, 3]);
    const y = await expectTensors(1, () => model.decode(posterior.mean));
    expect(y.shape).toEqual([2, 12, 6, 3]);
    model.dispose();
  });

  test('an image is encoded alike alone and in a batch', async () => {
    const model = new AutoencoderKL(smallKL);
    const x = images(3);
    const { mean } = model.encode(x);
    const alone = model.encode(tf.slice(x, [1, 0, 0, 0], [1, 8, 8, 3]));
    await expect(alone.mean).toBeAllclose(tf.slice(mean, [1, 0, 0, 0], [1, 4, 4, 3]));
    model.dispose();
  });

  test('encoding and decoding have the gradients of finite differences', async () => {
    const model = new AutoencoderKL(smallKL);
    await expectGradient((x) => model.encode(x as tf.Tensor4D).kl(), images(1), { directions: 1 });
    const z = tf.randomNormal([1, 2, 2, 3], 0, 1, 'float32', 1);
    await expectGradient((v) => model.decode(v as tf.Tensor4D), z);
    model.dispose();
  });

  test('the same key gives the same model: nothing else is random', async () => {
    const x = images(1);
    const run = async (seed: number) => {
      const model = new AutoencoderKL(smallKL).initialize(randomKey(seed));
      const y = await model.decode(model.encode(x).sample(randomKey(1))).data();
      model.dispose();
      return Array.from(y);
    };
    const first = await run(4);
    expect(await run(4)).toEqual(first);
    expect(await run(5)).not.toEqual(first);
  });
});

test('refuses images and latents of other shapes before any tensor is made', async () => {
  const model = new AutoencoderKL(smallKL);
  const cases: [() => unknown, string][] = [
    [
      () => model.encode(images(1, 9)),
      'AutoencoderKL.encode: x must be [N, multiple of 2, multiple of 2, 3], got [1, 9, 9, 3]',
    ],
    [
      () => model.encode(tf.zeros([1, 8, 8, 1])),
      'AutoencoderKL.encode: x must be [N, multiple of 2, multiple of 2, 3], got [1, 8, 8, 1]',
    ],
    [
      () => model.encode(tf.zeros([1, 0, 8, 3])),
      'AutoencoderKL.encode: x must be [N, multiple of 2, multiple of 2, 3], got [1, 0, 8, 3]',
    ],
    [
      () => model.encode(tf.zeros([8, 8, 3]) as unknown as tf.Tensor4D),
      'AutoencoderKL.encode: x must be [N, multiple of 2, multiple of 2, 3], got [8, 8, 3]',
    ],
    [() => model.decode(tf.zeros([1, 4, 4, 2])), 'AutoencoderKL.decode: z must be [N, h, w, 3], got [1, 4, 4, 2]'],
    [
      () => model.encoder.forward(images(1, 7)),
      'Encoder: x must be [N, multiple of 2, multiple of 2, 3], got [1, 7, 7, 3]',
    ],
    [() => model.decoder.forward(tf.zeros([1, 4, 4, 3])), 'Decoder: z must be [N, h, w, 2], got [1, 4, 4, 3]'],
  ];
  for (const [call, message] of cases) {
    expect(call).toThrow(expect.objectContaining({ name: 'ShapeError', message }));
  }
  expect([...model.parameters().values()].some((parameter) => parameter.isAllocated)).toBe(false);
});

test('loading is strict: all that is missing, unexpected or of another shape is listed, and nothing is loaded', async () => {
  const model = new AutoencoderKL(smallKL);
  const state: Map<string, TensorView> = await model.stateDict();
  const before = Array.from(await model.postQuantConv!.weight.read());
  state.set('post_quant_conv.weight', float32View(new Float32Array(6), [2, 3, 1, 1]));
  state.delete('encoder.conv_in.bias');
  state.set('decoder.mid.block_3.conv1.bias', float32View(new Float32Array(4), [4]));
  state.set('encoder.conv_in.weight', float32View(new Float32Array(4), [4]));
  expect(() => model.loadStateDict(state)).toThrow(StateDictError);
  expect(() => model.loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
    [StateDictError: AutoencoderKL.loadStateDict: the state dict is not of this architecture
      nearest names: CompVis latent-diffusion, 153 of 154
      1 missing: encoder.conv_in.bias
      1 unexpected: decoder.mid.block_3.conv1.bias
      1 of another shape: encoder.conv_in.weight expected [4, 3, 3, 3], got [4]]
  `);
  expect(Array.from(await model.postQuantConv!.weight.read())).toEqual(before);
  model.dispose();
});
