import { expect, test } from 'vitest';
import { formatHash, parseHash, readSettings } from './hash';

const DEFAULTS = { model: 'sd', steps: 20, eta: 0.5, loud: false };
const OPTIONS = {
  ranges: { steps: [1, 100], eta: [0, 1] },
  choices: { model: ['sd', 'lite'] },
  fractions: ['eta'],
} as const;

test('settings survive the way through an address', () => {
  const settings = { model: 'lite', steps: 7, eta: 0.25, loud: true };
  const { panel, values } = parseHash(formatHash('sample', settings));
  expect(panel).toBe('sample');
  expect(readSettings(values, DEFAULTS, OPTIONS)).toEqual(settings);
});

test('empty values are left out, and read as their default', () => {
  expect(formatHash('sample', { sigmas: '', steps: 1 })).toBe('#sample?steps=1');
  expect(parseHash('#sample')).toEqual({ panel: 'sample', values: {} });
  expect(parseHash('')).toEqual({ panel: '', values: {} });
});

test.each([
  ['steps=0', 'too small'],
  ['steps=101', 'too large'],
  ['steps=2.5', 'no integer'],
  ['steps=', 'empty'],
  ['steps=x', 'no number'],
  ['steps=NaN', 'no number'],
  ['model=other', 'no choice'],
  ['eta=Infinity', 'not finite'],
  ['toString=1', 'not a setting'],
])('%s is not taken over: %s', (query) => {
  expect(readSettings(parseHash(`#sample?${query}`).values, DEFAULTS, OPTIONS)).toEqual(DEFAULTS);
});
