import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import type { UNetConfig } from '@sd/unet';
import type { Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { shake } from '../sampling/tiny-pipeline';
import { Denoiser, NO_CLASS } from './denoiser';

const plain: UNetConfig = {
  imageSize: 4,
  inChannels: 2,
  outChannels: 2,
  modelChannels: 8,
  channelMult: [1],
  numResBlocks: 1,
  attentionResolutions: [1],
  numHeads: 1,
};
const crossAttention: UNetConfig = { ...plain, useSpatialTransformer: true, contextDim: 6 };

describeBackends(['cpu'], () => {
  const x = () =>
    tf.tensor4d(
      Float32Array.from({ length: 2 * 4 * 4 * 2 }, (_, i) => Math.sin(i)),
      [2, 4, 4, 2],
    );
  const values = async (output: Tensor4D) => [...(await output.data())];

  test.each([
    ['a context of one token', crossAttention],
    ['an embedding added to the time', { ...plain, numClasses: 4 }],
  ])('classes as %s: each its own, the null class the last of the embedding', async (_, config) => {
    const denoiser = shake(new Denoiser(config, 'class', 3));
    const run = (classes: number[]) => values(denoiser.forward(x(), 5, classes));
    const one = await run([1]);
    expect(await run([1, 1])).toEqual(one);
    const mixed = await run([1, NO_CLASS]);
    expect(mixed.slice(0, 32)).toEqual(one.slice(0, 32));
    expect(mixed.slice(32)).not.toEqual(one.slice(32));
    const embedding = denoiser.classEmbedder?.embedding.weight ?? denoiser.unet.parameters().get('label_emb.weight');
    expect(embedding?.torchShape[0]).toBe(4);
    // the row of the null class moves its samples alone
    const weight = await embedding!.read();
    const width = embedding!.torchShape[1];
    embedding!.load(weight.map((value, i) => (Math.floor(i / width) === 3 ? value + 1 : value)));
    const moved = await run([1, NO_CLASS]);
    expect(moved.slice(0, 32)).toEqual(mixed.slice(0, 32));
    expect(moved.slice(32)).not.toEqual(mixed.slice(32));
    denoiser.dispose();
  });

  test('texts are tokens for the cross-attention, with features where they are asked for', async () => {
    const denoiser = shake(new Denoiser(crossAttention, 'text'));
    const tokens = tf.tensor3d(
      Float32Array.from({ length: 2 * 3 * 6 }, (_, i) => Math.cos(i)),
      [2, 3, 6],
    ) as Tensor3D;
    const images = x();
    const output = await expectTensors(1, () => denoiser.forward(images, [5, 7], tokens));
    const direct = denoiser.unet.forward(images, [5, 7], { context: tokens });
    await expect(output).toBeAllclose(direct, 1e-6);
    const { features } = await expectTensors(2, () => denoiser.forwardWithFeatures(images, 5, tokens));
    expect(Object.keys(features ?? {})).toEqual(['up.0']);
    denoiser.dispose();
  });

  test('what is trained has the names of the UNet alone, or those of LDM with its class embedding', () => {
    expect([...new Denoiser(plain).trained.parameters().keys()][0]).toBe('time_embed.0.weight');
    const names = [...new Denoiser(crossAttention, 'class', 3).trained.parameters().keys()];
    expect([names[0], names.at(-1)]).toEqual([
      'model.diffusion_model.time_embed.0.weight',
      'cond_stage_model.embedding.weight',
    ]);
    expect(new Denoiser(crossAttention, 'text').trained.parameters().has('time_embed.0.weight')).toBe(true);
  });

  test('a condition that is not the model’s is refused', () => {
    const classes = new Denoiser(crossAttention, 'class', 3).initialize(randomKey(1));
    const refuse = (denoiser: Denoiser, condition?: number[] | Tensor3D) =>
      expect(() => denoiser.forward(x(), 5, condition));
    refuse(classes).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: condition must be given: the model's condition is a class, got undefined]`,
    );
    refuse(classes, [3]).toThrowErrorMatchingInlineSnapshot(`[ArgumentError: Denoiser: class must be below 3, got 3]`);
    refuse(classes, [-2]).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: class must be an integer >= 0, got -2]`,
    );
    refuse(classes, [0.5]).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: class must be an integer >= 0, got 0.5]`,
    );
    refuse(classes, tf.zeros([1, 3, 6]) as Tensor3D).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: condition must be a list of classes, got [1, 3, 6]]`,
    );
    refuse(new Denoiser(crossAttention, 'text'), [1]).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: condition must be a tensor [N, tokens, width], got [1]]`,
    );
  });
});

describe('a UNet that cannot take the condition is refused', () => {
  const refused = (...given: ConstructorParameters<typeof Denoiser>) => expect(() => new Denoiser(...given));

  test('in words that say what it should be', () => {
    refused(crossAttention).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be unconditional, got "one with useSpatialTransformer"]`,
    );
    refused({ ...plain, numClasses: 4 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be unconditional, got "one with numClasses"]`,
    );
    refused(plain, 'class', 3).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be with useSpatialTransformer or numClasses, got "one without"]`,
    );
    refused({ ...plain, numClasses: 3 }, 'class', 3).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be with numClasses 4: 3 classes and the null class, got 3]`,
    );
    refused({ ...crossAttention, numClasses: 4 }, 'class', 3).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be with numClasses or useSpatialTransformer, not with both, got "both"]`,
    );
    refused(plain, 'text').toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be with useSpatialTransformer, got "one without"]`,
    );
    refused({ ...plain, classEmbedding: 'timestep' }, 'class', 3).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Denoiser: unet must be with classEmbedding 'index' or none, got "timestep"]`,
    );
  });
});
