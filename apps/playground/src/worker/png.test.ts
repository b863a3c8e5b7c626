import { decode, encode } from 'fast-png';
import { expect, test } from 'vitest';
import { SAMPLE_DEFAULTS } from '../settings/sample-settings';
import { encodePng, settingsOfPng } from './png';

const sheet = {
  width: 2,
  height: 1,
  columns: 2,
  count: 2,
  pixels: Uint8ClampedArray.of(255, 0, 10, 255, 1, 2, 3, 255),
};

test('a PNG holds the pixels, and the settings in a tEXt chunk', () => {
  const settings = { ...SAMPLE_DEFAULTS, seed: 41, eta: 0.25, sampler: 'euler' };
  const bytes = encodePng(sheet, settings);
  const { width, height, data } = decode(bytes);
  expect([width, height, ...data]).toEqual([2, 1, 255, 0, 10, 1, 2, 3]);
  expect(Buffer.from(bytes).includes('tEXtspectral-diffusion\0{"model":"sd"')).toBe(true);
  expect(settingsOfPng(bytes)).toEqual(settings);
});

test('what is not Latin-1 is escaped', () => {
  const bytes = encodePng(sheet, { ...SAMPLE_DEFAULTS, prompt: 'a café ✓, "猫"' });
  expect(settingsOfPng(bytes).prompt).toBe('a café ✓, "猫"');
});

test('other files are refused', () => {
  const plain = encode({ width: 1, height: 1, data: Uint8Array.of(0, 0, 0), channels: 3 });
  const broken = (text: string) =>
    encode({ width: 1, height: 1, data: Uint8Array.of(0, 0, 0), channels: 3, text: { 'spectral-diffusion': text } });
  expect(() => settingsOfPng(plain)).toThrowErrorMatchingInlineSnapshot(
    `[UserError: this PNG has no settings of the playground inside]`,
  );
  expect(() => settingsOfPng(broken('{'))).toThrowErrorMatchingInlineSnapshot(
    `[UserError: the settings inside this PNG are broken]`,
  );
  expect(() => settingsOfPng(broken('null'))).toThrowErrorMatchingInlineSnapshot(
    `[UserError: the settings inside this PNG are broken]`,
  );
  expect(() => settingsOfPng(Uint8Array.of(1, 2, 3))).toThrowErrorMatchingInlineSnapshot(
    `[UserError: not a PNG that can be read: wrong PNG signature]`,
  );
});
