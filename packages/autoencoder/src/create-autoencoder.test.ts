import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { countMacs, countParameters, createAutoencoder } from './create-autoencoder';
import { presets } from './presets';
import { smallKL } from './testing';
import { VQModel } from './vq-model';

// no backend is registered in this file: counting makes no tensor
test('parameters are those that LDM publishes for its first stages, and the tiny ones fit a page', () => {
  const counts = Object.fromEntries(Object.entries(presets).map(([name, config]) => [name, countParameters(config)]));
  // 55.32M and 83.65M in the paper (section 4 of docs/method.md); those of LDM are what PyTorch counts in its model.py
  expect(counts).toMatchInlineSnapshot(`
    {
      "kl-f16": 69610963,
      "kl-f32": 103880131,
      "kl-f4": 55312063,
      "kl-f8": 83653863,
      "small-kl-f4": 645847,
      "tiny-kl-f2": 53767,
      "tiny-kl-f4": 235899,
      "tiny-vq-f4": 235071,
      "vq-f16": 69593371,
      "vq-f4": 55322782,
      "vq-f4-noattn": 53219486,
      "vq-f8": 67717295,
      "vq-f8-n256": 67652783,
    }
  `);
});

test('MACs are those that forward hooks on a PyTorch copy of the tiny models counted', () => {
  // 27M, 53M, 52M there, rounded
  expect(countMacs(presets['tiny-kl-f2'])).toEqual({ encode: 9_601_024, decode: 17_108_992 });
  expect(countMacs(presets['tiny-kl-f4'])).toEqual({ encode: 13_860_864, decode: 38_866_944 });
  expect(countMacs(presets['tiny-vq-f4'])).toEqual({ encode: 13_624_320, decode: 38_790_144 });
});

test('MACs of convolutions grow with the pixels', () => {
  const small = countMacs(smallKL, { size: 8 });
  const large = countMacs(smallKL, { size: 16 });
  expect(large).toEqual({ encode: 4 * small.encode, decode: 4 * small.decode });
});

test('MACs of one level without attention are those counted by hand', () => {
  const config = { ...smallKL, chMult: [1], attnType: 'none', attnResolutions: [] } as const;
  const conv = (inputs: number, outputs: number) => 64 * 9 * inputs * outputs;
  const encode = conv(3, 4) + 2 * conv(4, 4) + 4 * conv(4, 4) + conv(4, 4) + 64 * 4 * 6;
  const decode = 64 * 3 * 2 + conv(2, 4) + 4 * conv(4, 4) + 4 * conv(4, 4) + conv(4, 3);
  expect(countMacs(config)).toEqual({ encode, decode });
});

test('the kind of the configuration decides the class', () => {
  expect(createAutoencoder(presets['kl-f8'])).toBeInstanceOf(AutoencoderKL);
  expect(createAutoencoder(presets['vq-f4'])).toBeInstanceOf(VQModel);
});
