import { describe, expect, test } from 'vitest';
import { resolveUNetConfig, type UNetConfig } from './config';
import { planUNet } from './plan';
import { presets } from './presets';

const valid: UNetConfig = {
  imageSize: 16,
  inChannels: 3,
  outChannels: 3,
  modelChannels: 32,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 2,
};

/** Also what types do not allow, as it comes from JSON. */
const refused = (change: Record<string, unknown>) => expect(() => planUNet(resolveUNetConfig({ ...valid, ...change })));

test.each(Object.entries(presets))('%s survives JSON', (_, config) => {
  expect(JSON.parse(JSON.stringify(config))).toEqual(config);
  const resolved = resolveUNetConfig(config);
  expect(resolveUNetConfig(JSON.parse(JSON.stringify(resolved)) as UNetConfig)).toEqual(resolved);
});

test('fills in the defaults', () => {
  expect(resolveUNetConfig(valid)).toEqual({
    ...valid,
    useSpatialTransformer: false,
    transformerDepth: 1,
    contextLength: 77,
    useLinearProjection: false,
    onlyCrossAttention: false,
    middleBlock: 'attention',
    middleScale: 1,
    classEmbedding: 'none',
    timeEmbeddingDim: 128,
    flipSinToCos: true,
    freqShift: 0,
    centerInput: false,
    useScaleShiftNorm: false,
    resblockUpdown: false,
    downsamplePadding: 1,
    dropout: 0,
    legacy: true,
    normEps: 1e-5,
    resample: 'conv',
    wavelet: { fuse: 'conv', gate: 'channel', gateHidden: 4, wavelet: 'haar' },
  });
});

test('a field that is undefined has its default', () => {
  expect(resolveUNetConfig({ ...valid, dropout: undefined }).dropout).toBe(0);
});

test('numHeadChannels wins over numHeads', () => {
  const { middleBlock } = planUNet(resolveUNetConfig({ ...valid, numHeadChannels: 16 }));
  expect(middleBlock.layers[1]).toMatchObject({ kind: 'attention', channels: 64, heads: 4 });
});

test('a width need not be an integer multiple, where it is an integer', () => {
  const { outWidth, middleBlock } = planUNet(resolveUNetConfig({ ...valid, channelMult: [1, 1.5] }));
  expect(outWidth).toBe(32);
  expect(middleBlock.layers[0]).toMatchObject({ outChannels: 48 });
});

test('what is by level is taken by level, and the middle block has the last', () => {
  const byLevel: UNetConfig = {
    ...valid,
    useSpatialTransformer: true,
    contextDim: 8,
    attentionResolutions: [1, 2],
    numResBlocks: [1, 2],
    numHeads: [2, 4],
    transformerDepth: [3, 1],
    onlyCrossAttention: [false, true],
    resblockUpdown: { down: [true, false], up: [false, false] },
  };
  const resolved = resolveUNetConfig(byLevel);
  const { inputBlocks, middleBlock, outputBlocks } = planUNet(resolved);
  const kinds = (blocks: typeof inputBlocks) => blocks.map(({ layers }) => layers.map(({ kind }) => kind).join(' '));
  expect(kinds(inputBlocks)).toEqual(['conv', 'res transformer', 'res', 'res transformer', 'res transformer']);
  expect(kinds(outputBlocks)).toEqual([
    'res transformer',
    'res transformer',
    'res transformer up',
    'res transformer',
    'res transformer',
  ]);
  expect(inputBlocks[1].layers[1]).toMatchObject({ heads: 2, depth: 3, onlyCrossAttention: false });
  expect(inputBlocks[2].layers[0]).toMatchObject({ resample: 'down' });
  expect(inputBlocks[3].layers[1]).toMatchObject({ heads: 4, depth: 1, onlyCrossAttention: true });
  expect(middleBlock.layers[1]).toMatchObject({ heads: 4, depth: 1, onlyCrossAttention: false });
  expect(resolveUNetConfig(JSON.parse(JSON.stringify(resolved)) as UNetConfig)).toEqual(resolved);
});

describe('refuses', () => {
  test('fields that it does not know', () => {
    refused({ model_channels: 32 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: field must be one of imageSize, inChannels, outChannels, modelChannels, channelMult, numResBlocks, attentionResolutions, numHeads, numHeadChannels, useSpatialTransformer, transformerDepth, contextDim, contextLength, useLinearProjection, onlyCrossAttention, middleBlock, middleAttentionGroups, middleScale, classEmbedding, numClasses, classEmbeddingDim, additionTimeDim, timeConditionDim, timeEmbeddingDim, flipSinToCos, freqShift, centerInput, useScaleShiftNorm, resblockUpdown, downsamplePadding, dropout, legacy, normGroups, normEps, resample, wavelet, got "model_channels"]`,
    );
    refused({ resample: 'wavelet', wavelet: { hidden: 4 } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.wavelet: field must be one of fuse, gate, gateHidden, wavelet, got "hidden"]`,
    );
  });

  test('numbers that are none', () => {
    refused({ modelChannels: '32' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: modelChannels must be an integer >= 2, got "32"]`,
    );
    refused({ numResBlocks: 0 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numResBlocks must be an integer >= 1, got 0]`,
    );
    refused({ numHeads: -1 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numHeads must be an integer >= 1, got -1]`,
    );
    refused({ channelMult: [] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: channelMult must be a list of at least one level, got []]`,
    );
    refused({ channelMult: 2 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: channelMult must be a list of integers, got 2]`,
    );
    refused({ channelMult: [1, 1.03] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: channelMult must be multiples of 32 modelChannels that are integers >= 1, got [1, 1.03]]`,
    );
    refused({ freqShift: 16 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: freqShift must be a number in [0, 16) for 32 channels, got 16]`,
    );
    refused({ normEps: 0 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: normEps must be a positive number, got 0]`,
    );
    refused({ middleScale: -1 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: middleScale must be a positive number, got -1]`,
    );
    refused({ middleAttentionGroups: 'all' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: middleAttentionGroups must be an integer >= 1, got "all"]`,
    );
    refused({ dropout: 1 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: dropout must be a probability in [0, 1), got 1]`,
    );
    refused({ resample: 'wavelet', wavelet: { gateHidden: 0 } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.wavelet: gateHidden must be an integer >= 1, got 0]`,
    );
  });

  test('choices that are none', () => {
    refused({ middleBlock: 'res' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: middleBlock must be 'attention' or 'plain' or 'none', got "res"]`,
    );
    refused({ downsamplePadding: 2 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: downsamplePadding must be 0 or 1, got 2]`,
    );
    refused({ flipSinToCos: 1 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: flipSinToCos must be true or false, got 1]`,
    );
    refused({ resblockUpdown: 'yes' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: resblockUpdown must be true or false, got "yes"]`,
    );
    refused({ resample: 'haar' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: resample must be 'conv' or 'wavelet', got "haar"]`,
    );
    refused({ resample: 'wavelet', wavelet: { fuse: 'max' } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.wavelet: fuse must be 'conv' or 'sum', got "max"]`,
    );
    refused({ resample: 'wavelet', wavelet: { gate: 'pixel' } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.wavelet: gate must be 'channel' or 'band', got "pixel"]`,
    );
    refused({ wavelet: { fuse: 'sum' } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: wavelet must be left out unless resample is 'wavelet', got {"fuse":"sum","gate":"channel","gateHidden":4,"wavelet":"haar"}]`,
    );
  });

  test('lists that do not have one value for each level', () => {
    refused({ numResBlocks: [1, 2, 3] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numResBlocks must be one value, or one for each of 2 levels, got [1, 2, 3]]`,
    );
    refused({ numHeads: [2, 0] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numHeads must be an integer >= 1, got 0]`,
    );
    refused({ transformerDepth: [1] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: transformerDepth must be one value, or one for each of 2 levels, got [1]]`,
    );
    refused({ onlyCrossAttention: [true, 1] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: onlyCrossAttention must be true or false, got 1]`,
    );
    refused({ resblockUpdown: { down: [true, false], up: false } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: resblockUpdown.up must be a list by level, got false]`,
    );
    refused({ resblockUpdown: { down: [true, false], up: [true] } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: resblockUpdown.up must be one value, or one for each of 2 levels, got [true]]`,
    );
    refused({ resblockUpdown: { downs: [true, false] } }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.resblockUpdown: field must be one of down, up, got "downs"]`,
    );
  });

  test('class embeddings without their fields, and fields without their class embedding', () => {
    refused({ classEmbedding: 'text' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: classEmbedding must be 'none' or 'index' or 'timestep' or 'projection' or 'text-time' or 'identity', got "text"]`,
    );
    refused({ classEmbedding: 'index' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numClasses must be given with classEmbedding 'index', got undefined]`,
    );
    refused({ classEmbedding: 'timestep', numClasses: 3 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numClasses must be left out with classEmbedding 'timestep', got 3]`,
    );
    refused({ classEmbedding: 'projection' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: classEmbeddingDim must be given with classEmbedding 'projection', got undefined]`,
    );
    refused({ classEmbedding: 'text-time', classEmbeddingDim: 8 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: additionTimeDim must be given with classEmbedding 'text-time', got undefined]`,
    );
    refused({ additionTimeDim: 8 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: additionTimeDim must be left out with classEmbedding 'none', got 8]`,
    );
  });

  test('levels that the image does not have', () => {
    refused({ imageSize: 15 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: imageSize must be a multiple of 2, for 2 levels, got 15]`,
    );
    refused({ attentionResolutions: [16, 8] }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: attentionResolutions must be downsample factors (not sizes), of 1, 2 for 2 levels, got [16, 8]]`,
    );
  });

  test('half a context', () => {
    refused({ useSpatialTransformer: true }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: contextDim must be given with useSpatialTransformer, got undefined]`,
    );
    refused({ contextDim: 512 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: contextDim must be left out without useSpatialTransformer, got 512]`,
    );
  });

  test('widths that heads, groups or bands do not divide', () => {
    refused({ numHeads: undefined }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numHeads must be given, or numHeadChannels, got undefined]`,
    );
    refused({ numHeads: 5 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numHeads must be a divisor of every width that it meets, here 64, got 5]`,
    );
    refused({ numHeadChannels: 48 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: numHeadChannels must be a divisor of every width that it meets, here 64, got 48]`,
    );
    refused({ modelChannels: 40, normGroups: 32 }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: normGroups must be a divisor of every width that it meets, here 40, got 32]`,
    );
    refused({ modelChannels: 6, channelMult: [1, 1], resample: 'wavelet' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig: modelChannels must be such that every level above 0 is a multiple of 4 wide, for its four wavelet bands, got 6]`,
    );
    refused({
      modelChannels: 5,
      channelMult: [1, 4],
      resample: 'wavelet',
      wavelet: { gateHidden: 'half' },
    }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: UNetConfig.wavelet: gateHidden must be a number for 5 channels, got "half"]`,
    );
  });
});
