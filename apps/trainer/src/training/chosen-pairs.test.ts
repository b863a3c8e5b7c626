import { expect, test } from 'vitest';
import { chosenPairs } from './chosen-pairs';

const feature = (name: string, channels: number, size: number) => ({ name, channels, height: size, width: size });
const teacher = { channels: 4, features: [feature('up.2', 64, 2), feature('up.1', 32, 4), feature('up.0', 16, 8)] };
const student = { channels: 4, features: [feature('up.2', 8, 4), feature('up.1', 6, 4), feature('up.0', 5, 8)] };
const names = (chosen: Parameters<typeof chosenPairs>[2]) =>
  chosenPairs(teacher, student, chosen).map(({ name, teacherChannels, studentChannels }) => [
    name,
    teacherChannels,
    studentChannels,
  ]);

test('features are compared where both models have them at the same size', () => {
  expect(names('output')).toEqual([['output', 4, 4]]);
  expect(names('all')).toEqual([
    ['output', 4, 4],
    ['up_1', 32, 6],
    ['up_0', 16, 5],
  ]);
});

test('features are chosen by name and by level', () => {
  expect(names(['up.0'])).toEqual([
    ['output', 4, 4],
    ['up_0', 16, 5],
  ]);
  expect(names([1, 'up.0'])).toEqual([
    ['output', 4, 4],
    ['up_1', 32, 6],
    ['up_0', 16, 5],
  ]);
});

test('a feature that they do not share is refused', () => {
  expect(() => names(['up.2'])).toThrowErrorMatchingInlineSnapshot(
    `[UserError: config: distillation.features: teacher and student do not both have a feature "up.2" (did you mean "up.1"?)]`,
  );
  expect(() => names([7])).toThrowErrorMatchingInlineSnapshot(
    `[UserError: config: distillation.features: teacher and student do not both have a feature "up.7" (did you mean "up.1"?)]`,
  );
  expect(() => chosenPairs(teacher, { channels: 4, features: [] }, [0])).toThrowErrorMatchingInlineSnapshot(
    `[UserError: config: distillation.features: teacher and student do not both have a feature "up.0": they share none]`,
  );
});
