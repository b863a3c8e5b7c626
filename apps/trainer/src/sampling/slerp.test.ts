import { expect, test } from 'vitest';
import { slerp } from './slerp';

test('slerp goes along the arc, and its ends are exact', () => {
  const [a, b] = [
    [3, 0],
    [0, 3],
  ];
  expect([...slerp(a, b, 0)]).toEqual(a);
  expect([...slerp(a, b, 1)][1]).toBe(3);
  const third = slerp(a, b, 1 / 3); // 30 degrees of a circle of radius 3
  expect(third[0]).toBeCloseTo(3 * Math.cos(Math.PI / 6), 6);
  expect(third[1]).toBeCloseTo(3 * Math.sin(Math.PI / 6), 6);
});

test('between equal points it stays', () => {
  expect([...slerp([1, 2], [1, 2], 0.4)]).toEqual([1, 2]);
});
