import { expect, test } from 'vitest';
import { shownSteps } from './prediction-strip';

test('the shown steps are equally far apart, the first and the last among them', () => {
  expect(shownSteps(50, 8)).toEqual([1, 8, 15, 22, 29, 36, 43, 50]);
  expect(shownSteps(9, 3)).toEqual([1, 5, 9]);
  expect(shownSteps(3, 8)).toEqual([1, 2, 3]);
  expect(shownSteps(9, 1)).toEqual([9]);
});
