import { availableParallelism } from 'node:os';
import '@sd/testing';
import { ArgumentError } from '@sd/core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { releaseBackend } from './release-backend';
import { onNode } from './runtime';
import { useBackend } from './use-backend';
import { randomInput, type TestInput, wasmBackend } from './wasm/compare-with-cpu';
import { nativeLibrary } from './wasm/native/library';
import { ThreadPool } from './wasm/native/thread-pool';
import { threadsOf } from './wasm-threads';

vi.mock('./runtime', { spy: true });

const cores = availableParallelism();

afterEach(() => {
  vi.resetAllMocks();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

describe('the number of threads', () => {
  test('is the option, else the environment variable, else one', async () => {
    expect(await threadsOf({})).toBe(1);
    vi.stubEnv('SD_WASM_THREADS', String(cores));
    expect(await threadsOf({})).toBe(cores);
    expect(await threadsOf({ threads: 1 })).toBe(1);
    vi.stubEnv('SD_WASM_THREADS', '');
    expect(await threadsOf({})).toBe(1);
  });

  test.each([0, -1, 1.5, Number.NaN, cores + 1])('%d is refused before anything starts', async (threads) => {
    const error: unknown = await useBackend('wasm', { threads }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ArgumentError);
    expect(String(error)).toBe(
      `ArgumentError: useBackend: threads must be a whole number from 1 to ${cores}, the cores of this machine, got ${threads}`,
    );
  });

  test('in the environment is checked as well', async () => {
    vi.stubEnv('SD_WASM_THREADS', 'two');
    await expect(threadsOf({})).rejects.toThrow(
      `useBackend: SD_WASM_THREADS must be a whole number from 1 to ${cores}, the cores of this machine, got "two"`,
    );
  });

  test('cannot be chosen in a browser', async () => {
    vi.mocked(onNode).mockReturnValue(false);
    await expect(threadsOf({ threads: 2 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BackendError: useBackend: wasm cannot start: threads can be chosen on Node only; in a browser tfjs takes what it is allowed]`,
    );
    expect(await threadsOf({})).toBe(1);
  });
});

type Case = { readonly name: string; readonly f: (...x: tf.Tensor[]) => tf.Tensor[]; readonly inputs: TestInput[] };

const convolution = (stride: number, pad: number) => (x: tf.Tensor, w: tf.Tensor) =>
  tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad) as tf.Tensor;
const kernel = (name: string, keys: readonly string[], attrs: Record<string, number | boolean> = {}) => {
  return (...x: tf.Tensor[]) => {
    const inputs = Object.fromEntries(x.map((tensor, i) => [keys[i] as string, tensor]));
    return [tf.engine().runKernel(name, inputs, attrs) as unknown as tf.Tensor | tf.Tensor[]].flat();
  };
};
const shapes = (...list: number[][]) => list.map((shape, i) => randomInput(shape, i + 1));
const factors = { decay: 0.99, beta1: 0.9, beta2: 0.999, stepSize: 0.01, denominatorScale: 1, eps: 1e-8 };

/** Of sizes that are worth sharing, few of which divide evenly. */
const cases: readonly Case[] = [
  { name: 'matMul', f: (a, b) => [tf.matMul(a, b)], inputs: shapes([301, 97], [97, 113]) },
  { name: 'matMul of few rows', f: (a, b) => [tf.matMul(a, b, false, true)], inputs: shapes([3, 1021], [1023, 1021]) },
  { name: 'matMul of a batch', f: (a, b) => [tf.matMul(a, b, true)], inputs: shapes([7, 90, 71], [7, 90, 83]) },
  {
    name: 'fused matMul',
    f: (a, b, bias) => [tf.fused.matMul({ a: a as tf.Tensor2D, b: b as tf.Tensor2D, bias })],
    inputs: shapes([301, 97], [97, 113], [113]),
  },
  ...[
    { name: 'conv2d', stride: 1, pad: 1, x: [2, 19, 21, 24], w: [3, 3, 24, 36] },
    { name: 'conv2d with a stride', stride: 2, pad: 1, x: [1, 41, 37, 20], w: [3, 3, 20, 44] },
    { name: 'conv2d of a small image', stride: 1, pad: 1, x: [1, 6, 7, 130], w: [3, 3, 130, 75] },
    { name: 'conv2d into few channels', stride: 1, pad: 1, x: [1, 64, 61, 37], w: [3, 3, 37, 3] },
    { name: 'conv2d of single pixels', stride: 1, pad: 0, x: [1, 40, 41, 50], w: [1, 1, 50, 61] },
  ].map(({ name, stride, pad, x, w }) => ({
    name: `${name} and its gradients`,
    f: (image: tf.Tensor, filter: tf.Tensor) => {
      const { value, grads } = tf.valueAndGrads((a: tf.Tensor, b: tf.Tensor) => convolution(stride, pad)(a, b))(
        [image, filter],
        convolution(stride, pad)(image, filter),
      );
      return [value, ...grads];
    },
    inputs: shapes(x, w),
  })),
  { name: 'exp', f: (x) => [tf.exp(x)], inputs: shapes([131075]) },
  { name: 'SiLU', f: kernel('SiLU', ['x']), inputs: shapes([131075]) },
  { name: 'SiLUGrad', f: kernel('SiLUGrad', ['x', 'dy']), inputs: shapes([131075], [131075]) },
  ...[true, false].flatMap((silu) => [
    {
      name: `GroupNorm ${silu ? 'with' : 'without'} SiLU`,
      f: kernel('GroupNorm', ['x', 'scale', 'shift'], { groups: 7, eps: 1e-5, silu }),
      inputs: shapes([3, 37, 31, 42], [42], [42]),
    },
    {
      name: `GroupNormGrad ${silu ? 'with' : 'without'} SiLU`,
      f: kernel('GroupNormGrad', ['x', 'scale', 'shift', 'dy'], { groups: 7, eps: 1e-5, silu }),
      inputs: shapes([3, 37, 31, 42], [42], [42], [3, 37, 31, 42]),
    },
  ]),
  {
    name: 'AdamW',
    f: (...x) =>
      kernel('AdamW', ['parameter', 'gradient', 'expAvg', 'expAvgSq', 'gradientScale'], factors)(
        ...x.slice(0, 3),
        tf.square(x[3] as tf.Tensor),
        tf.scalar(0.5),
      ),
    inputs: shapes([131075], [131075], [131075], [131075]),
  },
  {
    name: 'SelfAttention',
    f: kernel('SelfAttention', ['qkv'], { heads: 3 }),
    inputs: shapes([2, 301, 3 * 3 * 10]),
  },
  {
    name: 'SelfAttentionGrad',
    f: kernel('SelfAttentionGrad', ['qkv', 'y', 'dy'], { heads: 3 }),
    inputs: shapes([2, 301, 3 * 3 * 10], [2, 301, 3 * 10], [2, 301, 3 * 10]),
  },
];

/** Of every output, in hexadecimal: quick to compare. */
function bits({ f, inputs }: Case): string[] {
  const outputs = tf.tidy(() => f(...inputs.map(({ values, shape }) => tf.tensor(values, [...shape], 'float32'))));
  const values = outputs.map((y) => Buffer.from(y.dataSync().buffer).toString('hex'));
  tf.dispose(outputs);
  return values;
}

const equal = (a: readonly string[], b: readonly string[] | undefined) => a.join() === b?.join();

describe.runIf(cores > 1)('two threads', () => {
  const onOne = new Map<Case, string[]>();

  beforeAll(async () => {
    await useBackend('wasm', { threads: 1 });
    for (const each of cases) onOne.set(each, bits(each));
    expect(await useBackend('wasm', { threads: 2 })).toMatchObject({
      device: '2 threads, SIMD',
      explanation: 'wasm (2 threads, SIMD): as asked',
    });
  });
  afterAll(releaseBackend);

  test.each(cases)('give the bits of one thread: $name', (each) => {
    const run = vi.spyOn(ThreadPool.prototype, 'run');
    const before = tf.memory().numTensors;
    for (let i = 0; i < 3; i++) expect(equal(bits(each), onOne.get(each))).toBe(true);
    expect(run).toHaveBeenCalled();
    expect(tf.memory().numTensors).toBe(before);
  });

  test('may become one and two again while tensors stay, and are let go by releaseBackend', async () => {
    const a = tf.randomNormal([200, 200]);
    const product = () => bits({ name: 'square', f: () => [tf.matMul(a, a)], inputs: [] });
    const expected = product();
    for (const threads of [1, 2]) {
      const { device } = await useBackend('wasm', { threads });
      expect(device).toBe(`${threads} thread${threads === 1 ? '' : 's'}, SIMD`);
      expect(product()).toEqual(expected);
    }
    await releaseBackend();
    const run = vi.spyOn(ThreadPool.prototype, 'run');
    expect(product()).toEqual(expected);
    expect(run).not.toHaveBeenCalled();
    await useBackend('wasm', { threads: 2 });
    expect(product()).toEqual(expected);
    expect(run).toHaveBeenCalled();
    a.dispose();
  });

  test('see the memory that grew after they started', async () => {
    const heap = () => (tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } }).wasm.HEAPU8.byteLength;
    const before = heap();
    const filler = tf.zeros([before]);
    const a = tf.fill([256, 256], 2);
    expect(heap()).toBeGreaterThan(before);
    expect((await tf.tidy(() => tf.matMul(a, a)).data()).every((value) => value === 1024)).toBe(true);
    tf.dispose([filler, a]);
  });

  test('say which kernel failed, and go on', async () => {
    const native = nativeLibrary(await wasmBackend());
    const outside = 4294967280; // the last bytes of a memory that has not grown that far
    expect(() =>
      native?.run('exp', [
        [outside, outside, 64],
        [outside, outside, 64],
      ]),
    ).toThrowErrorMatchingInlineSnapshot(`[Error: exp: failed on one of 2 threads]`);
    const each = cases[0] as Case;
    expect(equal(bits(each), onOne.get(each))).toBe(true);
  });
});
