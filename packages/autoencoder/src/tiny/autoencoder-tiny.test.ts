import { float32View } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { formulaImage } from '../golden-values';
import { AutoencoderTiny } from './autoencoder-tiny';
import { tinyPresets } from './presets';
import { describeTinyValues, load, narrow, sets } from './tiny-values';

describeTinyValues(['wasm']); // the other backends are in autoencoder-tiny.slow.test.ts

describeBackends(['cpu', 'wasm'], () => {
  test('the signed range is the unit range moved: the weights are the same', async () => {
    const unit = await load(sets.taesd);
    const signed = await load(narrow(tinyPresets.taesd, 'signed'));
    const x = tf.tidy(() => tf.div(tf.add(formulaImage([1, 3, 8, 8], 1), 1), 2)) as tf.Tensor4D;
    const moved = tf.sub(tf.mul(x, 2), 1) as tf.Tensor4D;
    const z = unit.encode(x);
    await expect(await expectTensors(1, () => signed.encode(moved))).toBeAllclose(z);
    const y = unit.decode(z);
    await expect(await expectTensors(1, () => signed.decode(z))).toBeAllclose(tf.sub(tf.mul(y, 2), 1));
    unit.dispose();
    signed.dispose();
  });

  test('scaleLatents puts +-3 into [0, 1] and clamps beyond it; unscaleLatents goes back', async () => {
    const model = new AutoencoderTiny(tinyPresets.taesd);
    const z = tf.tensor1d([-4, -3, 0, 1.5, 3, 10]);
    const scaled = await expectTensors(1, () => model.scaleLatents(z));
    await expect(scaled).toBeAllclose([0, 0, 0.5, 0.75, 1, 1]);
    await expect(await expectTensors(1, () => model.unscaleLatents(scaled))).toBeAllclose([-3, -3, 0, 1.5, 3, 3]);
  });
});

describe('names', () => {
  test("the whole model is read and written under diffusers' names and under TAESD's, whose decoder counts its clamp", async () => {
    const model = new AutoencoderTiny(sets.taef2).initialize(randomKey(1));
    const diffusers = await model.stateDict();
    const taesd = await model.stateDict({ layout: 'TAESD' });
    expect(diffusers.has('decoder.layers.0.weight')).toBe(true);
    expect(taesd.has('decoder.1.weight')).toBe(true);
    expect(taesd.has('decoder.0.weight')).toBe(false);
    expect(taesd.get('encoder.11.pool.3.weight')!.shape).toEqual([8, 32, 1, 1]);
    for (const [project, state] of Object.entries({ diffusers, TAESD: taesd })) {
      const copy = new AutoencoderTiny(sets.taef2).loadStateDict(state);
      expect(copy.loadedLayout?.project).toBe(project);
      expect(await copy.stateDict()).toEqual(diffusers);
      copy.dispose();
    }
    model.dispose();
  });

  test("encoder and decoder are read alone from TAESD's files and out of a file of diffusers", async () => {
    const model = new AutoencoderTiny(sets.taesd).initialize(randomKey(1));
    const diffusers = await model.stateDict();
    const copy = new AutoencoderTiny(sets.taesd);
    copy.encoder.loadStateDict(await model.encoder.stateDict());
    const decoder = await model.decoder.stateDict();
    expect([...decoder.keys()].slice(0, 3)).toEqual(['1.weight', '1.bias', '3.conv.0.weight']);
    copy.decoder.loadStateDict(decoder);
    expect(copy.decoder.loadedLayout?.project).toBe('TAESD');
    expect(await copy.stateDict()).toEqual(diffusers);
    copy.decoder.loadStateDict(diffusers);
    expect(copy.decoder.loadedLayout).toMatchObject({ project: 'diffusers', prefix: 'decoder.layers.' });
    model.dispose();
    copy.dispose();
  });

  test("an encoder's file is no decoder's: the faults are listed", async () => {
    const model = new AutoencoderTiny({ ...sets.taesd, encoderBlocks: [1, 0], decoderBlocks: [0, 1] });
    expect(() =>
      model.decoder.loadStateDict(new Map([['0.weight', float32View(new Float32Array(1), [1])]])),
    ).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: TinyDecoder.loadStateDict: the state dict is not of this architecture
        nearest names: TAESD, 0 of 11
        11 missing: 1.weight (0.weight), 1.bias (0.bias), 4.weight (3.weight), 5.conv.0.weight (4.conv.0.weight), 5.conv.0.bias (4.conv.0.bias), 5.conv.2.weight (4.conv.2.weight), 5.conv.2.bias (4.conv.2.bias), 5.conv.4.weight (4.conv.4.weight), 5.conv.4.bias (4.conv.4.bias), 6.weight (5.weight), 6.bias (5.bias)
        1 unexpected: 0.weight]
    `);
  });
});

// no tensor is made
test('sizes: parameters of the published files, and MACs of a 256 px image', () => {
  const sizes = Object.entries(tinyPresets).map(([name, config]) => {
    const model = new AutoencoderTiny(config);
    const { encoder, decoder } = model;
    return [name, encoder.parameterCount, decoder.parameterCount, model.macs(256, 256)];
  });
  expect(sizes).toMatchInlineSnapshot(`
    [
      [
        "taesd",
        1222532,
        1222531,
        {
          "decode": 17668767744,
          "encode": 15290597376,
        },
      ],
      [
        "taesd3",
        1229456,
        1229443,
        {
          "decode": 17675845632,
          "encode": 15297675264,
        },
      ],
      [
        "taef1",
        1229456,
        1229443,
        {
          "decode": 17675845632,
          "encode": 15297675264,
        },
      ],
      [
        "taef2",
        1338528,
        1338499,
        {
          "decode": 17785946112,
          "encode": 15407775744,
        },
      ],
    ]
  `);
});

test('each bad argument is named', () => {
  const model = new AutoencoderTiny(tinyPresets.taesd);
  const bad = (fields: object) => () => new AutoencoderTiny({ ...tinyPresets.taesd, ...fields });
  const calls = [
    () => model.encode(tf.zeros([1, 12, 8, 3])),
    () => model.encoder.forward(tf.zeros([1, 8, 8, 1])),
    () => model.decode(tf.zeros([1, 4, 4, 3])),
    () => model.decoder.forward(tf.zeros([1, 4, 4, 3])),
    bad({ kind: 'kl' }),
    bad({ latentChannels: 0 }),
    bad({ encoderBlocks: [] }),
    bad({ encoderBlocks: [1, -1] }),
    bad({ decoderBlocks: [1, 2] }),
    bad({ pool: 1 }),
    bad({ range: '[0, 1]' }),
    bad({ latentMagnitude: 0 }),
    bad({ latentShift: Number.NaN }),
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
      "ShapeError: AutoencoderTiny.encode: x must be [N, multiple of 8, multiple of 8, 3], got [1, 12, 8, 3]",
      "ShapeError: TinyEncoder: x must be [N, multiple of 8, multiple of 8, 3], got [1, 8, 8, 1]",
      "ShapeError: AutoencoderTiny.decode: z must be [N, h, w, 4], got [1, 4, 4, 3]",
      "ShapeError: TinyDecoder: z must be [N, h, w, 4], got [1, 4, 4, 3]",
      "ArgumentError: AutoencoderTinyConfig: kind must be 'tiny', got "kl"",
      "ArgumentError: AutoencoderTinyConfig: latentChannels must be an integer >= 1, got 0",
      "ArgumentError: AutoencoderTinyConfig: encoderBlocks must be a list of integers, got []",
      "ArgumentError: AutoencoderTinyConfig: encoderBlocks must be an integer >= 0, got -1",
      "ArgumentError: AutoencoderTinyConfig: decoderBlocks must be 4 levels, got [1, 2]",
      "ArgumentError: AutoencoderTinyConfig: pool must be true or false, got 1",
      "ArgumentError: AutoencoderTinyConfig: range must be 'unit' or 'signed', got "[0, 1]"",
      "ArgumentError: AutoencoderTinyConfig: latentMagnitude must be a number > 0, got 0",
      "ArgumentError: AutoencoderTinyConfig: latentShift must be a finite number, got NaN",
    ]
  `);
  expect([...model.parameters().values()].some((parameter) => parameter.isAllocated)).toBe(false);
});
