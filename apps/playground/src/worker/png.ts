import { decode, encode } from 'fast-png';
import type { Sheet } from '../protocol';
import { readSettings } from '../settings/hash';
import { SAMPLE_DEFAULTS, SAMPLE_RANGES, type SampleSettings } from '../settings/sample-settings';
import { UserError } from '../user-error';

/** The keyword of the tEXt chunk that holds the settings as JSON. */
const KEYWORD = 'spectral-diffusion';

/** A PNG with the settings that made it in a tEXt chunk, in which only Latin-1 may be. */
export function encodePng({ width, height, pixels }: Sheet, settings: SampleSettings): Uint8Array<ArrayBuffer> {
  const text = { [KEYWORD]: JSON.stringify(settings).replace(/[^\x20-\x7e]/g, escaped), Software: '@sd/playground' };
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) rgb.set(pixels.subarray(4 * i, 4 * i + 3), 3 * i);
  return new Uint8Array(encode({ width, height, data: rgb, channels: 3, depth: 8, text }));
}

/** The settings in a PNG of ours. @throws {UserError} where there are none. */
export function settingsOfPng(bytes: Uint8Array): SampleSettings {
  let text: Readonly<Record<string, string>>;
  try {
    ({ text } = decode(bytes));
  } catch (error) {
    throw new UserError(`not a PNG that can be read: ${error instanceof Error ? error.message : error}`);
  }
  if (!Object.hasOwn(text, KEYWORD)) throw new UserError('this PNG has no settings of the playground inside');
  let values: unknown;
  try {
    values = JSON.parse(text[KEYWORD]);
  } catch {
    throw new UserError('the settings inside this PNG are broken');
  }
  if (typeof values !== 'object' || values === null) throw new UserError('the settings inside this PNG are broken');
  const strings = Object.entries(values).map(([name, value]) => [name, String(value)]);
  return readSettings(Object.fromEntries(strings), SAMPLE_DEFAULTS, {
    ranges: SAMPLE_RANGES,
    choices: { model: ['teacher', 'lite', 'sd', 'own'] },
    fractions: ['eta', 'guidance'],
  });
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
