import { useBackend } from '@sd/backend';
import { foldIn, normal, normalArray, randomKey, threefry2x32 } from '@sd/core';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';
import { i32, run } from './program';
import { THREEFRY_WGSL } from './threefry-normal';

/** A share of the bits of the words of counters 0, 1, ..., which float32 holds exactly. */
async function wordBits([k0, k1]: readonly [number, number], count: number, bits: string): Promise<ArrayLike<number>> {
  const info = run(tf.backend() as WebGPUBackend, {
    key: `threefry_test_${bits}`,
    inputs: {},
    outputShape: [2 * count],
    numbers: { key0: i32(k0 | 0), key1: i32(k1 | 0) },
    workgroups: Math.ceil(count / 64),
    workgroupSize: 64,
    declarations: THREEFRY_WGSL,
    code: `
      if (2 * index < uniforms.size) {
        let words = threefry(vec2<u32>(bitcast<u32>(uniforms.key0), bitcast<u32>(uniforms.key1)), u32(index)) ${bits};
        result[2 * index] = f32(words.x);
        result[2 * index + 1] = f32(words.y);
      }`,
  });
  const tensor = tf.engine().makeTensorFromTensorInfo(info);
  const values = await tensor.data();
  tensor.dispose();
  return values;
}

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await useBackend('webgpu', { allowSoftware: true });
    await registerWebGPUKernels();
  });

  test("the words are those of Random123's Threefry, bit for bit", async () => {
    const count = 300;
    const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
    await fc.assert(
      fc.asyncProperty(fc.tuple(word, word), async (key) => {
        const high = await wordBits(key, count, '>> vec2<u32>(8u)');
        const low = await wordBits(key, count, '& vec2<u32>(255u)');
        const words = Array.from(high, (value, i) => value * 256 + (low[i] as number));
        expect(words).toEqual(Array.from({ length: count }, (_, i) => threefry2x32(key, [0, i])).flat());
      }),
      { numRuns: 5 },
    );
  });

  test('normal draws what the CPU draws, in one dispatch', async () => {
    for (const [k, shape] of [[100_001], [7], [1], [2, 3, 5, 4], []].entries()) {
      const key = foldIn(randomKey(k), 'noise');
      const size = shape.reduce((product, dimension) => product * dimension, 1);
      tf.fill([size], Number.NaN).dispose();
      const values = await expectTensors(1, () => normal(key, shape as [number]));
      expect(values.shape).toEqual(shape);
      expect(await values.data()).toBeAllclose(normalArray(key, size), 1e-6);
      values.dispose();
    }
    expect(await countDispatches(() => normal(randomKey(1), [9, 9]).dispose())).toBe(1);
    await expect(normal(randomKey(1), [0, 3])).toBeAllclose([]);
  });
});
