import { normal, randomKey } from '@sd/core';
import { Conv2d, GroupNorm, valueAndGradients, withoutPrefix } from '@sd/nn';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import { WGDown } from '@sd/wavelet';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { UNetConfig } from './config';
import { featureShapes } from './feature-shapes';
import { expectParameterGradients } from './testing/expect-parameter-gradients';
import { randomize } from './testing/randomize';
import { UNet, type UNetForwardOptions } from './unet';

const LITE: UNetConfig = {
  imageSize: 8,
  inChannels: 3,
  outChannels: 2,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 2,
};
const SD: UNetConfig = { ...LITE, resample: 'wavelet' };
const SD_UPDOWN: UNetConfig = { ...SD, resblockUpdown: true, useScaleShiftNorm: true };
const TEXT: UNetConfig = { ...SD, useSpatialTransformer: true, contextDim: 5 };

const image = (n: number, size = 8, channels = 3) => normal(randomKey(7), [n, size, size, channels]) as tf.Tensor4D;
/** One sample of a batch. */
const sample = (x: tf.Tensor4D, i: number) => tf.slice(x, [i, 0, 0, 0], [1, -1, -1, -1]);

describeBackends(['cpu', 'wasm'], () => {
  describe('forward', () => {
    test('treats the samples of a batch apart', async () => {
      const model = randomize(new UNet({ ...TEXT, numClasses: 4 }));
      const x = image(2);
      const context = normal(randomKey(3), [2, 4, 5]) as tf.Tensor3D;
      const both = model.forward(x, [10, 700], { context, labels: [3, 1] });
      const one = (i: number, t: number, label: number) =>
        model.forward(sample(x, i), t, { context: tf.slice(context, [i, 0, 0], [1, 4, 5]), labels: [label] });
      await expect(both).toBeAllclose(tf.concat([one(0, 10, 3), one(1, 700, 1)], 0));
    });

    test('takes one number, numbers or a tensor as timesteps', async () => {
      const model = randomize(new UNet(SD));
      const x = image(2);
      const expected = model.forward(x, [500, 500]);
      await expect(model.forward(x, 500)).toBeAllclose(expected);
      await expect(model.forward(x, tf.tensor1d([500, 500], 'int32'))).toBeAllclose(expected);
      await expect(model.forward(x, 100)).not.toBeAllclose(expected, 0.01);
    });

    test.each([
      ['SD', SD],
      ['with resblock_updown', SD_UPDOWN],
      ['Lite', LITE],
    ])('%s leaves its output and nothing else, and repeats it exactly', async (_, config) => {
      const model = randomize(new UNet(config));
      const x = image(2);
      const y = await expectTensors(1, () => model.forward(x, 3));
      expect(y.shape).toEqual([2, 8, 8, 2]);
      await expect(model.forward(x, 3)).toBeAllclose(y, 0);
    });

    test('every condition counts', async () => {
      const model = randomize(new UNet({ ...TEXT, numClasses: 4 }));
      const x = image(1);
      const context = normal(randomKey(3), [1, 4, 5]) as tf.Tensor3D;
      const y = model.forward(x, 3, { context, labels: [0] });
      await expect(model.forward(x, 3, { context, labels: [1] })).not.toBeAllclose(y, 1e-3);
      await expect(model.forward(x, 3, { context: tf.neg(context), labels: [0] })).not.toBeAllclose(y, 1e-3);
    });
  });

  describe('gradients', () => {
    test.each([
      ['SD', SD],
      ['SD with resblock_updown and scale-shift', SD_UPDOWN],
      [
        "the paper's formula",
        { ...SD, wavelet: { fuse: 'sum', gate: 'band', gateHidden: 'half' } } satisfies UNetConfig,
      ],
    ])('%s: by the input those of finite differences', async (_, config) => {
      const model = randomize(new UNet(config));
      await expectGradient((x) => model.forward(x as tf.Tensor4D, 300), image(1), { directions: 1 });
    });
  });

  describe('forwardWithFeatures', () => {
    test('gives the output of forward and the features of featureShapes', async () => {
      const model = randomize(new UNet(SD_UPDOWN));
      const x = image(2);
      const expected = model.forward(x, [1, 900]);
      const { output, features } = await expectTensors(3, () => model.forwardWithFeatures(x, [1, 900]));
      await expect(output).toBeAllclose(expected, 0);
      const shapes = Object.entries(features).map(([name, { shape }]) => [name, ...shape]);
      expect(shapes).toEqual(
        featureShapes(SD_UPDOWN).map(({ name, channels, height, width }) => [name, 2, height, width, channels]),
      );
    });

    test('up.0 is what the output layers get', async () => {
      const model = randomize(new UNet(SD));
      const state = await model.stateDict();
      const norm = new GroupNorm({ channels: 8, groups: 2, eps: 1e-5, silu: true }).loadStateDict(
        withoutPrefix(state, 'out.0.'),
      );
      const conv = new Conv2d({ inChannels: 8, outChannels: 2, kernel: 3, pad: 1 }).loadStateDict(
        withoutPrefix(state, 'out.2.'),
      );
      const { output, features } = model.forwardWithFeatures(image(1), 20);
      await expect(conv.forward(norm.forward(features['up.0']))).toBeAllclose(output);
    });

    test('has gradients', async () => {
      const model = randomize(new UNet(LITE));
      await expectGradient((x) => model.forwardWithFeatures(x as tf.Tensor4D, 20).features['up.1'], image(1), {
        directions: 1,
      });
    });
  });

  describe('forwardWithGates', () => {
    test('gives the output of forward and the gates of every wavelet-gated module', async () => {
      const model = randomize(new UNet(SD_UPDOWN));
      const x = image(2);
      const expected = model.forward(x, 5);
      const { output, gates } = await expectTensors(5, () => model.forwardWithGates(x, 5));
      await expect(output).toBeAllclose(expected, 0);
      expect(Object.entries(gates).map(([name, { shape }]) => `${name} [${shape}]`)).toEqual([
        'input_blocks.2.0.h_upd [2,4,8]',
        'input_blocks.2.0.x_upd [2,4,8]',
        'output_blocks.1.2.h_upd [2,4,4]',
        'output_blocks.1.2.x_upd [2,4,4]',
      ]);
    });

    test('gives the gates of the tensor that the module gets', async () => {
      // a new model's first residual block is the identity: the first WG-Down sees the first convolution
      const model = new UNet(SD).initialize(randomKey(5));
      const state = await model.stateDict();
      const conv = new Conv2d({ inChannels: 3, outChannels: 8, kernel: 3, pad: 1 }).loadStateDict(
        withoutPrefix(state, 'input_blocks.0.0.'),
      );
      const down = new WGDown({ channels: 8 }).loadStateDict(withoutPrefix(state, 'input_blocks.2.0.'));
      const x = image(2);
      const { gates } = model.forwardWithGates(x, 5);
      expect(Object.keys(gates)).toEqual(['input_blocks.2.0', 'output_blocks.1.2']);
      await expect(gates['input_blocks.2.0']).toBeAllclose(down.gates(conv.forward(x)));
    });

    test('gives none for a model without', () => {
      expect(new UNet(LITE).forwardWithGates(image(1), 5).gates).toEqual({});
    });
  });

  test('a new model predicts zero, as its last convolution starts there', async () => {
    await expect(new UNet(SD).forward(image(1), 9)).toBeAllclose(new Float32Array(128), 0);
  });

  test('dropout needs a rate and a key, and repeats itself', async () => {
    const model = randomize(new UNet({ ...SD, dropout: 0.3 }));
    const x = image(1);
    const [plain, dropped] = [model.forward(x, 3), model.forward(x, 3, { dropoutKey: randomKey(1) })];
    await expect(randomize(new UNet(SD)).forward(x, 3, { dropoutKey: randomKey(1) })).toBeAllclose(plain, 0);
    await expect(dropped).not.toBeAllclose(plain, 0.01);
    await expect(model.forward(x, 3, { dropoutKey: randomKey(1) })).toBeAllclose(dropped, 0);
  });

  test('a state dict written by one model makes another equal', async () => {
    const model = randomize(new UNet(TEXT));
    const copy = new UNet(TEXT).loadStateDict(await model.stateDict());
    const options = { context: normal(randomKey(3), [1, 4, 5]) as tf.Tensor3D };
    await expect(copy.forward(image(1), 8, options)).toBeAllclose(model.forward(image(1), 8, options), 0);
  });

  describe('refuses', () => {
    const refused = (config: UNetConfig, ...args: Parameters<UNet['forward']>) =>
      expect(() => new UNet(config).forward(...args));

    test('an input that is not an image of its channels, or cannot be halved', () => {
      refused(SD, image(1, 8, 4), 3).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: UNet: x must be [N, H, W, 3], got [1, 8, 8, 4]]`,
      );
      refused(SD, image(1, 7), 3).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: UNet: x must be [N, H, W, 3] with H and W multiples of 2, got [1, 7, 7, 3]]`,
      );
      refused({ ...SD, channelMult: [1, 1, 2] }, image(1, 6), 3).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: UNet: x must be [N, H, W, 3] with H and W multiples of 4, got [1, 6, 6, 3]]`,
      );
    });

    test('timesteps of another number than the samples', () => {
      refused(SD, image(2), [3]).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: t must be one timestep or one per sample, 2, got [3]]`,
      );
      refused(SD, image(2), tf.tensor1d([3])).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: UNet: t must be [2], got [1]]`,
      );
      refused(SD, image(2), Number.NaN).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: timestepEmbedding: t must be finite numbers, got [NaN]]`,
      );
    });

    test('conditions that are missing, unexpected or of another size', () => {
      const labelled = { ...SD, numClasses: 4 };
      const context = tf.zeros([1, 4, 6]) as tf.Tensor3D;
      refused(TEXT, image(1), 3).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: context must be given, for a model with a SpatialTransformer, got undefined]`,
      );
      refused(SD, image(1), 3, { context }).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: context must be left out, this is not a model with a SpatialTransformer, got [1, 4, 6]]`,
      );
      refused(TEXT, image(1), 3, { context }).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: UNet: context must be [1, tokens, 5], got [1, 4, 6]]`,
      );
      refused(labelled, image(1), 3).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: labels must be given, for a model with numClasses, got undefined]`,
      );
      refused(SD, image(1), 3, { labels: [1] }).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: labels must be left out, this is not a model with numClasses, got [1]]`,
      );
      refused(labelled, image(1), 3, { labels: [1, 2] }).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: UNet: labels must be one class index per sample, 1, got [1, 2]]`,
      );
      refused(labelled, image(1), 3, { labels: [4] }).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: Embedding: index must be an integer in [0, 4), got 4]`,
      );
    });

    test('a checkpoint of another architecture, with everything that differs', async () => {
      const state = await new UNet({ ...LITE, inChannels: 4 }).stateDict();
      expect(() => new UNet(SD).loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
        [StateDictError: UNet.loadStateDict: the state dict is not of this architecture
          nearest names: CompVis latent-diffusion, 124 of 132
          8 missing: input_blocks.2.0.gate.0.weight, input_blocks.2.0.gate.2.weight, input_blocks.2.0.fuse.weight, input_blocks.2.0.fuse.bias, output_blocks.1.2.gate.0.weight, output_blocks.1.2.gate.2.weight, output_blocks.1.2.fuse.weight, output_blocks.1.2.fuse.bias
          4 unexpected: input_blocks.2.0.op.weight, input_blocks.2.0.op.bias, output_blocks.1.2.conv.weight, output_blocks.1.2.conv.bias
          1 of another shape: input_blocks.0.0.weight expected [8, 3, 3, 3], got [8, 4, 3, 3]]
      `);
    });
  });
});

describeBackends(['wasm'], () => {
  describe('gradient checkpointing', () => {
    test.each<[string, UNetConfig]>([
      ['SD with resblock_updown, scale-shift and dropout', { ...SD_UPDOWN, dropout: 0.3 }],
      ['transformers', { ...TEXT, dropout: 0.2 }],
    ])('%s: the value and all gradients are the same, with features too', async (_, config) => {
      const model = randomize(new UNet(config));
      const context = config.contextDim ? { context: normal(randomKey(3), [1, 4, 5]) as tf.Tensor3D } : {};
      const run = (checkpointing: boolean) =>
        valueAndGradients(() => {
          const options = { ...context, dropoutKey: randomKey(6), checkpointing };
          const { output, features } = model.forwardWithFeatures(image(1), 40, options);
          return tf.add(tf.sum(tf.square(output)), tf.sum(tf.square(features['up.1']))) as tf.Scalar;
        }, model.parameters());
      const [plain, saved] = [run(false), run(true)];
      await expect(saved.value).toBeAllclose(plain.value, 0);
      expect([...saved.gradients.keys()].sort()).toEqual([...plain.gradients.keys()].sort());
      for (const [name, gradient] of saved.gradients) {
        // sums over the uses of a tensor are taken in another order
        await expect(gradient, name).toBeAllclose(plain.gradients.get(name)!);
      }
    });

    test('leaves its output and nothing else, and gates as they are', async () => {
      const model = randomize(new UNet(SD_UPDOWN));
      const x = image(2);
      const y = await expectTensors(1, () => model.forward(x, 3, { checkpointing: true }));
      await expect(y).toBeAllclose(model.forward(x, 3), 0);
      const { gates } = model.forwardWithGates(x, 3, { checkpointing: true });
      expect(Object.keys(gates)).toHaveLength(4);
    });
  });

  test('another wavelet is another network of the same parameters', async () => {
    const [haar, db2] = [SD, { ...SD, wavelet: { wavelet: 'db2' } } satisfies UNetConfig].map((config) =>
      randomize(new UNet(config)),
    );
    expect([...db2.parameters().keys()]).toEqual([...haar.parameters().keys()]);
    const y = db2.forward(image(1), 3);
    expect(y.shape).toEqual([1, 8, 8, 2]);
    await expect(y).not.toBeAllclose(haar.forward(image(1), 3), 0.01);
    await expectGradient((x) => db2.forward(x as tf.Tensor4D, 300), image(1), { directions: 1 });
  });
});

describe('labels of other kinds', () => {
  const x = () => image(2);
  const refused = (config: Partial<UNetConfig>, options: UNetForwardOptions) =>
    expect(() => new UNet({ ...LITE, ...config }).forward(x(), 3, options));
  const projection = { classEmbedding: 'projection', classEmbeddingDim: 4 } as const;
  const textTime = { classEmbedding: 'text-time', classEmbeddingDim: 7, additionTimeDim: 2 } as const;
  const text = () => tf.zeros([2, 3]) as tf.Tensor2D;

  test('are refused where they do not fit', () => {
    refused({ classEmbedding: 'timestep' }, {}).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels must be given, for a model with classEmbedding 'timestep', got undefined]`,
    );
    refused({ classEmbedding: 'timestep' }, { labels: [1] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels must be one number per sample, 2, got [1]]`,
    );
    refused(projection, { labels: [1, 2] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels must be a tensor [2, 4], got [1, 2]]`,
    );
    refused(projection, { labels: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: UNet: labels must be [2, 4], got [2, 3]]`,
    );
    refused({ classEmbedding: 'identity' }, { labels: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: UNet: labels must be [2, 32], got [2, 3]]`,
    );
    refused(textTime, { labels: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels must be { text, timeIds }, got [2, 3]]`,
    );
    refused(textTime, { labels: { text: text(), timeIds: [[1, 2]] } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels.timeIds must be 2 lists of the same length, got [[1, 2]]]`,
    );
    refused(textTime, { labels: { text: text(), timeIds: [[1], [2]] } }).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: UNet: labels.text must be [2, 5], so that it is 7 wide with 1 numbers of 2, got [2, 3]]`,
    );
    refused({}, { timeCondition: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: timeCondition must be left out, this is not a model with timeConditionDim, got [2, 3]]`,
    );
    refused({ timeConditionDim: 4 }, { timeCondition: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: UNet: timeCondition must be [2, 4], got [2, 3]]`,
    );
    refused({ numClasses: 3 }, { labels: text() }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNet: labels must be one class index per sample, 2, got [2, 3]]`,
    );
  });
});

describe('names in the state dict', () => {
  const added = (config: UNetConfig) => {
    const known = new Set(new UNet({ ...config, resample: 'conv' }).parameters().keys());
    return [...new UNet(config).parameters()].flatMap(([name, { torchShape }]) =>
      known.has(name) ? [] : [`${name} [${torchShape}]`],
    );
  };

  test('a wavelet-gated module has the name of the layer that it replaces', () => {
    expect(added(SD)).toMatchInlineSnapshot(`
      [
        "input_blocks.2.0.gate.0.weight [4,8]",
        "input_blocks.2.0.gate.2.weight [32,4]",
        "input_blocks.2.0.fuse.weight [8,32,1,1]",
        "input_blocks.2.0.fuse.bias [8]",
        "output_blocks.1.2.gate.0.weight [4,16]",
        "output_blocks.1.2.gate.2.weight [16,4]",
        "output_blocks.1.2.fuse.weight [16,4,1,1]",
        "output_blocks.1.2.fuse.bias [16]",
      ]
    `);
    const names = [...new UNet(SD).parameters().keys()];
    expect(names).not.toContain('input_blocks.2.0.op.weight');
    expect(names).not.toContain('output_blocks.1.2.conv.weight');
  });

  test('or h_upd and x_upd inside a residual block', () => {
    expect(added(SD_UPDOWN)).toMatchInlineSnapshot(`
      [
        "input_blocks.2.0.h_upd.gate.0.weight [4,8]",
        "input_blocks.2.0.h_upd.gate.2.weight [32,4]",
        "input_blocks.2.0.h_upd.fuse.weight [8,32,1,1]",
        "input_blocks.2.0.h_upd.fuse.bias [8]",
        "input_blocks.2.0.x_upd.gate.0.weight [4,8]",
        "input_blocks.2.0.x_upd.gate.2.weight [32,4]",
        "input_blocks.2.0.x_upd.fuse.weight [8,32,1,1]",
        "input_blocks.2.0.x_upd.fuse.bias [8]",
        "output_blocks.1.2.h_upd.gate.0.weight [4,16]",
        "output_blocks.1.2.h_upd.gate.2.weight [16,4]",
        "output_blocks.1.2.h_upd.fuse.weight [16,4,1,1]",
        "output_blocks.1.2.h_upd.fuse.bias [16]",
        "output_blocks.1.2.x_upd.gate.0.weight [4,16]",
        "output_blocks.1.2.x_upd.gate.2.weight [16,4]",
        "output_blocks.1.2.x_upd.fuse.weight [16,4,1,1]",
        "output_blocks.1.2.x_upd.fuse.bias [16]",
      ]
    `);
  });
});

describeBackends(['wasm'], () => {
  // one of each kind, and all that the reference, in unet.golden.test.ts, does not have
  const names = /gate|fuse|(time_embed\.0|middle_block\.(0\.emb_layers\.1|0\.in_layers\.2|1\.qkv))\.weight/;

  test.each([
    ['SD', SD],
    ['SD with resblock_updown and scale-shift', SD_UPDOWN],
  ])('%s: gradients by parameters of every kind are those of finite differences', async (_, config) => {
    const model = randomize(new UNet(config));
    const x = image(1);
    await expectParameterGradients(model, names, () => model.forward(x, 300));
  });

  test.each([16, 20, 24, 48])(
    '%i channels on 32x32 pixels of 16 channels work, with either resampling',
    async (modelChannels) => {
      for (const resample of ['conv', 'wavelet'] as const) {
        const config: UNetConfig = { ...LITE, imageSize: 32, inChannels: 16, outChannels: 16, modelChannels, resample };
        const model = randomize(new UNet({ ...config, attentionResolutions: [], numHeads: 1 }));
        const y = model.forward(image(1, 32, 16), 3);
        const { mean, variance } = tf.moments(y);
        expect(Math.abs((await mean.data())[0])).toBeLessThan(10);
        expect((await variance.data())[0]).toBeGreaterThan(1e-3);
        model.dispose();
      }
    },
  );
});
