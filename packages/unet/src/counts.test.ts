import { describeBackends, expectTensors } from '@sd/testing';
import { describe, expect, test } from 'vitest';
import type { UNetConfig } from './config';
import { countMacs, countParameters } from './counts';
import { type PresetName, presets } from './presets';

/** Parameters to the digit; MACs in G to two digits. Counted from the reference UNet, except SD, counted by hand. */
const TABLE: readonly (readonly [PresetName, number, string])[] = [
  ['ldm-ffhq', 274_056_163, '96.02'],
  ['ldm-celebahq', 274_056_163, '96.02'],
  ['ldm-lsun-bedroom', 274_056_163, '96.02'],
  ['ldm-lsun-church', 294_966_916, '18.64'],
  ['ldm-imagenet', 400_920_579, '99.77'],
  ['ldm-coco', 872_300_484, '86.76'],
  ['lite-ffhq', 22_411_843, '7.85'],
  ['lite-celebahq', 22_411_843, '7.85'],
  ['lite-lsun-bedroom', 22_411_843, '7.85'],
  ['lite-lsun-church', 32_827_268, '2.07'],
  ['lite-imagenet', 47_026_179, '11.10'],
  ['lite-coco', 81_480_484, '8.04'],
  ['sd-ffhq', 21_098_051, '6.73'],
  ['sd-celebahq', 21_098_051, '6.73'],
  ['sd-lsun-bedroom', 21_098_051, '6.73'],
  ['sd-lsun-church', 33_766_404, '2.11'],
  ['sd-imagenet', 45_390_339, '9.90'],
  ['sd-coco', 77_630_884, '7.26'],
];

const giga = (macs: number) => (macs / 1e9).toFixed(2);

test.each(TABLE)('%s has %i parameters and %s G MACs', (name, parameters, macs) => {
  expect(countParameters(presets[name])).toBe(parameters);
  expect(giga(countMacs(presets[name]))).toBe(macs);
});

test('the table lists every preset', () => {
  expect(TABLE.map(([name]) => name).sort()).toEqual(Object.keys(presets).sort());
});

test('sd-lsun-church has exactly 2,108,475,904 MACs', () => {
  expect(countMacs(presets['sd-lsun-church'])).toBe(2_108_475_904);
});

test("the formula of the paper's text, with gates of half width, has the published size too", () => {
  const config: UNetConfig = { ...presets['sd-ffhq'], wavelet: { fuse: 'sum', gate: 'channel', gateHidden: 'half' } };
  expect(countParameters(config)).toBe(21_118_147);
  expect(giga(countMacs(config))).toBe('6.69');
});

describe('options', () => {
  const tiny: UNetConfig = {
    imageSize: 8,
    inChannels: 3,
    outChannels: 3,
    modelChannels: 16,
    channelMult: [1, 2],
    numResBlocks: 1,
    attentionResolutions: [],
    numHeads: 1,
  };

  test('attention adds 2 T S C for each product pair', () => {
    // the middle block alone attends: 4x4 pixels, 32 channels
    expect(countMacs(tiny, { attention: true }) - countMacs(tiny)).toBe(2 * 16 * 16 * 32);
    const cross: UNetConfig = { ...tiny, useSpatialTransformer: true, contextDim: 24, contextLength: 5 };
    expect(countMacs(cross, { attention: true }) - countMacs(cross)).toBe(2 * 16 * (16 + 5) * 32);
  });

  test('each token of the context costs its keys and values', () => {
    const cross: UNetConfig = { ...tiny, useSpatialTransformer: true, contextDim: 24 };
    const more = countMacs(cross, { contextLength: 6 }) - countMacs(cross, { contextLength: 5 });
    expect(more).toBe(2 * 24 * 32);
    expect(countMacs(cross)).toBe(countMacs(cross, { contextLength: 77 }));
  });

  test('convolutions cost four times as much at twice the size, the embedding does not', () => {
    const embedding = 16 * 64 + 64 * 64 + 64 * (16 + 32 + 32 + 32 + 32 + 32 + 16 + 16);
    const [small, large] = [countMacs(tiny) - embedding, countMacs(tiny, { size: 16 }) - embedding];
    expect(large).toBe(4 * small);
  });

  test('refuses a size that cannot be halved often enough', () => {
    expect(() => countMacs(presets['sd-ffhq'], { size: 12 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: countMacs: size must be a multiple of 8, got 12]`,
    );
    expect(() => countMacs(presets['sd-ffhq'], { size: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: countMacs: size must be an integer >= 1, got 0]`,
    );
    expect(() => countMacs(presets['ldm-coco'], { contextLength: 0.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: countMacs: contextLength must be an integer >= 1, got 0.5]`,
    );
  });
});

describeBackends(['cpu'], () => {
  test('counting makes no tensor', async () => {
    await expectTensors(0, () => countParameters(presets['ldm-coco']) + countMacs(presets['ldm-coco']));
  });
});
