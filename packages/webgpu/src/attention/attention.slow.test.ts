import { useBackend } from '@sd/backend';
import { describeBackends } from '@sd/testing';
import fc from 'fast-check';
import { beforeAll, test } from 'vitest';
import { registerWebGPUKernels } from '../index';
import { expectReference } from './attention-reference';

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test('attention and its gradients are those of float64 loops, whatever the sizes', async () => {
    const sizes = fc.record({
      batch: fc.integer({ min: 1, max: 2 }),
      heads: fc.integer({ min: 1, max: 3 }),
      t: fc.integer({ min: 1, max: 70 }),
      s: fc.integer({ min: 2, max: 70 }), // a single key has weight 1, and gradients by q and k of 0
      d: fc.integer({ min: 1, max: 17 }),
      e: fc.integer({ min: 1, max: 17 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 999 }), sizes, (seed, drawn) => expectReference(seed, drawn)),
      { numRuns: 4 },
    );
  });

  // 65,800 queries are four to a thread, 32,900 keys two
  test('so are they where threads take several rows', () =>
    expectReference(2, { batch: 470, heads: 2, t: 70, s: 35, d: 6, e: 3 }));

  test('so are wide heads of several rows to a thread', () =>
    expectReference(3, { batch: 470, heads: 1, t: 75, s: 71, d: 32, e: 30 }));

  test('a head of 128 is, too', () => expectReference(1, { batch: 1, heads: 1, t: 5, s: 19, d: 128, e: 128 }));
});
