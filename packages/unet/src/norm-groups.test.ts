import { expect, test } from 'vitest';
import { defaultNormGroups } from './norm-groups';

test.each([64, 96, 224, 320, 960])('every published width is normalized in 32 groups: %i', (channels) => {
  expect(defaultNormGroups(channels)).toBe(32);
});

test.each([
  [32, 8],
  [48, 12],
  [80, 20],
  [24, 6],
  [16, 4],
  [10, 2],
  [7, 1],
  [3, 1],
])('%i channels are normalized in %i groups of at least 4', (channels, groups) => {
  expect(defaultNormGroups(channels)).toBe(groups);
});
