import { randomKey } from '@sd/core';
import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';
import { FiniteDraws } from './draws';

const options = { key: randomKey(4), latents: 5, trainTimesteps: 1000, dropout: 0.4 };
const SHAPE = [4, 2, 2, 3] as const;

describeBackends(['cpu'], () => {
  test('the first pass takes a finite set in order, later ones take all of it in other orders', () => {
    const draws = new FiniteDraws(options, 12, 4);
    const pass = (n: number) => [0, 1, 2].flatMap((draw) => [...draws.rows(3 * n + draw)]);
    const all = Array.from({ length: 12 }, (_, i) => i);
    expect(pass(0)).toEqual(all);
    const [second, third] = [pass(1), pass(2)];
    for (const one of [second, third]) {
      expect(one).not.toEqual(all);
      expect(one.toSorted((a, b) => a - b)).toEqual(all);
    }
    expect(second).not.toEqual(third);
    expect(pass(1)).toEqual(second); // whatever was asked before
    expect([...new FiniteDraws(options, 12, 5).rows(2)].slice(0, 2)).toEqual([10, 11]); // 2 of the first pass
  });

  test('an example is the same whatever it is drawn with, and the set is made of all latents', async () => {
    const draws = new FiniteDraws(options, 12, 4);
    const all = draws.of(Int32Array.from({ length: 12 }, (_, i) => i));
    expect([...all.indices.subarray(0, 5)].sort()).toEqual([0, 1, 2, 3, 4]);
    expect([...all.indices.subarray(5, 10)].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(all.times).size).toBeGreaterThan(9);
    expect(new Set(all.leftOut).size).toBe(2);
    const some = draws.of(Int32Array.of(7, 3, 3, 0));
    for (const [i, row] of [7, 3, 3, 0].entries()) {
      expect(some.indices[i]).toBe(all.indices[row]);
      expect(some.times[i]).toBe(all.times[row]);
      expect(some.leftOut[i]).toBe(all.leftOut[row]);
      expect(some.captions[i]).toBe(all.captions[row]);
    }
    const whole = await all.noise([12, 2, 2, 3]).data<'float32'>();
    const part = await some.noise(SHAPE).data<'float32'>();
    for (const [i, row] of [7, 3, 3, 0].entries()) {
      expect(part.subarray(12 * i, 12 * i + 12)).toEqual(whole.subarray(12 * row, 12 * row + 12));
    }
    const mean = whole.reduce((sum, value) => sum + value, 0) / whole.length;
    const square = whole.reduce((sum, value) => sum + value ** 2, 0) / whole.length;
    expect(Math.abs(mean)).toBeLessThan(0.3); // 144 values: five deviations are 0.42
    expect(square).toBeGreaterThan(0.7);
    expect(square).toBeLessThan(1.4);
  });
});
