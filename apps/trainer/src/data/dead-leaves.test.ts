import { foldIn, randomKey } from '@sd/core';
import { SpectrumStatistics } from '@sd/spectral-loss';
import { describeBackends, expectTensors } from '@sd/testing';
import { describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { DeadLeaves } from './dead-leaves';
import { openDataset } from './open-dataset';

const key = randomKey(7);

describe('dead leaves', () => {
  test('are the same for a seed, in whatever order they are drawn', () => {
    const forward = new DeadLeaves(key, 6, 16);
    const backward = new DeadLeaves(key, 6, 16);
    const images = [0, 1, 2, 3, 4, 5].map((i) => forward.image(i));
    for (const i of [5, 3, 0, 4, 2, 1]) expect(backward.image(i)).toEqual(images[i]);
    // neither does an image depend on how many there are
    expect(new DeadLeaves(key, 100, 16).image(3)).toEqual(images[3]);
  });

  test('differ from image to image and from seed to seed', () => {
    const images = new DeadLeaves(key, 20, 16);
    const distinct = new Set(Array.from({ length: 20 }, (_, i) => images.image(i).join()));
    expect(distinct.size).toBe(20);
    expect(new DeadLeaves(randomKey(8), 20, 16).image(0)).not.toEqual(images.image(0));
    expect(new DeadLeaves(foldIn(key, 1), 20, 16).image(0)).not.toEqual(images.image(0));
  });

  test('use most of the range of a byte, every channel of it', () => {
    const images = new DeadLeaves(key, 64, 16);
    for (let channel = 0; channel < 3; channel++) {
      const values = Array.from({ length: 64 }, (_, i) => images.image(i).filter((_, j) => j % 3 === channel)).flatMap(
        (image) => [...image],
      );
      expect(Math.min(...values)).toBeLessThan(20);
      expect(Math.max(...values)).toBeGreaterThan(235);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(Math.abs(mean - 127.5)).toBeLessThan(25);
    }
  });

  test('have edges: most neighbors are equal, some are far apart', () => {
    const images = new DeadLeaves(key, 32, 32);
    const steps = Array.from({ length: 32 }, (_, i) => images.image(i)).flatMap((image) =>
      Array.from({ length: 32 * 31 }, (_, j) => {
        const at = 3 * (32 * Math.floor(j / 31) + (j % 31));
        return Math.abs(image[at] - image[at + 3]);
      }),
    );
    const share = (test_: (step: number) => boolean) => steps.filter(test_).length / steps.length;
    expect(share((step) => step === 0)).toBeGreaterThan(0.5);
    expect(share((step) => step > 30)).toBeGreaterThan(0.02);
  });

  test('say what was wrong with an argument', () => {
    expect(() => new DeadLeaves(key, 0, 16)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DeadLeaves: length must be an integer >= 1, got 0]`,
    );
    expect(() => new DeadLeaves(key, 1, 4)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DeadLeaves: size must be an integer >= 8, got 4]`,
    );
    expect(() => new DeadLeaves(key, 2, 16).image(2)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DeadLeaves: index must be an integer in [0, 2), got 2]`,
    );
  });
});

describeBackends(['cpu'], () => {
  test('a batch is its images in [-1, 1]', async () => {
    const images = new DeadLeaves(key, 4, 8);
    const batch = await expectTensors(1, () => images.batch([2, 0]));
    expect(batch.shape).toEqual([2, 8, 8, 3]);
    const expected = [...images.image(2), ...images.image(0)].map((byte) => byte / 127.5 - 1);
    await expect(batch).toBeAllclose(expected, 1e-6);
    batch.dispose();
  });

  test('their spectrum falls as that of photographs, about 1 / f^2', async () => {
    const images = new DeadLeaves(key, 192, 32);
    const statistics = new SpectrumStatistics();
    const batch = await images.batch(Int32Array.from({ length: 192 }, (_, i) => i));
    await statistics.add(batch);
    batch.dispose();
    const { frequency, power } = statistics.spectrum();
    // without the mean, and without the last octave's end, where averaging over pixels takes its share
    const points = [...frequency].map((f, i) => [Math.log(f), Math.log(power[i])]).slice(1, -2);
    const [slope, correlation] = fit(points);
    // natural images: 1.8 to 2.3 (Ruderman 1994; van der Schaaf and van Hateren 1996); discs of at least 5 pixels
    // radius, as here, fall off as 1 / f^3 above the frequency of the smallest
    expect(slope).toBeLessThan(-1.8);
    expect(slope).toBeGreaterThan(-3);
    expect(correlation).toBeLessThan(-0.98);
  });
});

test('a configuration of generated images gives them for its seed', async () => {
  const open = (seed: number) =>
    openDataset({ source: 'dead-leaves', size: 16, count: 3 }, seed, silentProgress, () => {});
  const [a, b, c] = [await open(1), await open(1), await open(2)];
  expect(a.description).toBe('3 dead-leaves images of 16 px');
  const data = async (dataset: typeof a) => (await dataset.batch([0, 1, 2])).data();
  expect(await data(a)).toEqual(await data(b));
  expect(await data(a)).not.toEqual(await data(c));
});

/** Slope of the least-squares line and the correlation. */
function fit(points: readonly (readonly number[])[]): [number, number] {
  const mean = (of: (point: readonly number[]) => number) => points.reduce((sum, p) => sum + of(p), 0) / points.length;
  const [mx, my] = [mean(([x]) => x), mean(([, y]) => y)];
  const covariance = mean(([x, y]) => (x - mx) * (y - my));
  const [vx, vy] = [mean(([x]) => (x - mx) ** 2), mean(([, y]) => (y - my) ** 2)];
  return [covariance / vx, covariance / Math.sqrt(vx * vy)];
}
