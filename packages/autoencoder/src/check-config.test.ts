import { describe, expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { checkAutoencoderConfig } from './check-config';
import { type AutoencoderConfig, downsampleFactor, groupsOf } from './config';
import { presets } from './presets';
import { smallKL, smallVQ } from './testing';
import { VQModel } from './vq-model';

describe('checkAutoencoderConfig', () => {
  test('accepts every preset, also after a trip through JSON', () => {
    for (const config of Object.values(presets)) {
      const copy = JSON.parse(JSON.stringify(config)) as AutoencoderConfig;
      expect(copy).toEqual(config);
      expect(() => checkAutoencoderConfig(copy)).not.toThrow();
    }
  });

  const bad: [string, object, string][] = [
    ['kind', { kind: 'vae' }, `AutoencoderConfig: kind must be 'kl' or 'vq', got "vae"`],
    ['ch', { ch: 0 }, 'AutoencoderConfig: ch must be an integer >= 1, got 0'],
    ['inChannels', { inChannels: undefined }, 'AutoencoderConfig: inChannels must be an integer >= 1, got undefined'],
    ['numResBlocks', { numResBlocks: 1.5 }, 'AutoencoderConfig: numResBlocks must be an integer >= 1, got 1.5'],
    ['normGroups', { normGroups: 0 }, 'AutoencoderConfig: normGroups must be an integer >= 1, got 0'],
    ['chMult', { chMult: [] }, 'AutoencoderConfig: chMult must be a list of integers, got []'],
    ['chMult', { chMult: [1, 0.5] }, 'AutoencoderConfig: chMult must be an integer >= 1, got 0.5'],
    ['resolution', { resolution: 9 }, 'AutoencoderConfig: resolution must be a multiple of 2, got 9'],
    ['attnType', { attnType: 'linear' }, `AutoencoderConfig: attnType must be 'vanilla' or 'none', got "linear"`],
    ['attnResolutions', { attnResolutions: 4 }, 'AutoencoderConfig: attnResolutions must be a list of integers, got 4'],
    ['attnResolutions', { attnResolutions: [16] }, 'AutoencoderConfig: attnResolutions must be among 8, 4, got 16'],
    ['norm', { norm: 'batch' }, `AutoencoderConfig: norm must be 'group' or 'none', got "batch"`],
    ['init', { init: 'zero' }, `AutoencoderConfig: init must be 'torch' or 'linear', got "zero"`],
    ['dropout', { dropout: 1 }, 'AutoencoderConfig: dropout must be a number in [0, 0.9999990463256836], got 1'],
    ['doubleZ', { doubleZ: false }, 'AutoencoderConfig: doubleZ must be true for kl, got false'],
  ];
  test.each(bad)('refuses a wrong %s: %j', (_field, change, message) => {
    const config = { ...smallKL, ...change } as AutoencoderConfig;
    expect(() => checkAutoencoderConfig(config)).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
  });

  test('refuses a codebook without entries and a negative beta', () => {
    expect(() => checkAutoencoderConfig({ ...smallVQ, nEmbed: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AutoencoderConfig: nEmbed must be an integer >= 1, got 0]`,
    );
    expect(() => checkAutoencoderConfig({ ...smallVQ, beta: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AutoencoderConfig: beta must be a number >= 0, got -1]`,
    );
  });

  test('each model refuses the configuration of the other', () => {
    expect(() => new AutoencoderKL(smallVQ as unknown as typeof smallKL)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AutoencoderConfig: kind must be 'kl', got "vq"]`,
    );
    expect(() => new VQModel(smallKL as unknown as typeof smallVQ)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AutoencoderConfig: kind must be 'vq', got "kl"]`,
    );
  });
});

test('groups are 32 where 32 divides the width, else as many as divide both', () => {
  expect([128, 256, 32, 16, 48, 20, 7].map((channels) => groupsOf(channels, 32))).toEqual([32, 32, 32, 16, 16, 4, 1]);
  expect(groupsOf(16, 8)).toBe(8);
});

test('every level after the first halves the image', () => {
  expect(downsampleFactor({ chMult: [1] })).toBe(1);
  expect(downsampleFactor(presets['kl-f8'])).toBe(8);
});
