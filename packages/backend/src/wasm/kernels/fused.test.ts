import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { expectSameAsCpu, randomInput, type TestInput, wasmBackend } from '../compare-with-cpu';
import { registerWasmTrainingKernels } from '../index';

beforeAll(async () => {
  await wasmBackend();
  registerWasmTrainingKernels();
});

type Attributes = Record<string, number | boolean>;

/** The kernel on wasm, the composition on the cpu backend. */
function expectKernelIsComposition(
  kernel: string,
  names: readonly string[],
  attributes: Attributes,
  composition: (...inputs: tf.Tensor[]) => tf.Tensor | tf.Tensor[],
  inputs: readonly TestInput[],
  label = '',
): Promise<void> {
  return expectSameAsCpu(
    (...tensors) => {
      if (tf.getBackend() !== 'wasm') return composition(...tensors);
      const named = Object.fromEntries(names.map((name, i) => [name, tensors[i] as tf.Tensor]));
      return tf.engine().runKernel(kernel, named, attributes) as tf.Tensor | tf.Tensor[];
    },
    inputs,
    { label },
  );
}

const norm = (groups: number, eps: number, silu: boolean) => (x: tf.Tensor, scale: tf.Tensor, shift: tf.Tensor) => {
  const [n, h, w, c] = x.shape as [number, number, number, number];
  const grouped = tf.reshape(x, [n, h * w, groups, c / groups]);
  const { mean, variance } = tf.moments(grouped, [1, 3], true);
  const xHat = tf.reshape(tf.div(tf.sub(grouped, mean), tf.sqrt(tf.add(variance, eps))), x.shape);
  const z = tf.add(tf.mul(xHat, scale), shift);
  return silu ? tf.mul(z, tf.sigmoid(z)) : z;
};

const normCases = fc.record({
  n: fc.integer({ min: 1, max: 3 }),
  h: fc.integer({ min: 3, max: 14 }),
  w: fc.integer({ min: 3, max: 14 }),
  groups: fc.integer({ min: 1, max: 5 }),
  size: fc.integer({ min: 1, max: 7 }),
  silu: fc.boolean(),
  seed: fc.nat(99),
});

test('GroupNorm and GroupNormGrad equal the composition and its gradient by the tape', async () => {
  await fc.assert(
    fc.asyncProperty(normCases, async ({ n, h, w, groups, size, silu, seed }) => {
      const c = groups * size;
      const eps = 1e-3;
      const f = norm(groups, eps, silu);
      const x = randomInput([n, h, w, c], seed);
      const shifted = { ...x, values: x.values.map((v) => v + 0.5) };
      const inputs = [shifted, randomInput([c], seed + 1), randomInput([c], seed + 2)];
      const attributes = { groups, eps, silu };
      const label = JSON.stringify({ n, h, w, groups, size, silu });
      await expectKernelIsComposition('GroupNorm', ['x', 'scale', 'shift'], attributes, f, inputs, label);
      await expectKernelIsComposition(
        'GroupNormGrad',
        ['x', 'scale', 'shift', 'dy'],
        attributes,
        (x, scale, shift, dy) => tf.grads(f)([x as tf.Tensor, scale as tf.Tensor, shift as tf.Tensor], dy),
        [...inputs, randomInput([n, h, w, c], seed + 3)],
        label,
      );
    }),
    { numRuns: 50, seed: 21 },
  );
});

test('GroupNorm of values around 1000 keeps their small differences', async () => {
  const x = randomInput([2, 8, 8, 8], 1);
  const offset = { ...x, values: x.values.map((v) => 1000 + Math.round(v * 64) / 64) };
  const [scale, shift] = [randomInput([8], 2), randomInput([8], 3)];
  const plain = { ...x, values: x.values.map((v) => Math.round(v * 64) / 64) };
  await wasmBackend();
  const run = (input: TestInput) => {
    const y = tf.tidy(() =>
      tf.engine().runKernel(
        'GroupNorm',
        {
          x: tf.tensor(input.values, [2, 8, 8, 8]),
          scale: tf.tensor(scale.values),
          shift: tf.tensor(shift.values),
        },
        { groups: 4, eps: 1e-5, silu: false },
      ),
    ) as tf.Tensor;
    const values = Array.from(y.dataSync());
    y.dispose();
    return values;
  };
  const [far, near] = [run(offset), run(plain)];
  const worst = far.reduce((max, v, i) => Math.max(max, Math.abs(v - (near[i] as number))), 0);
  expect(worst).toBeLessThan(2e-3); // the mean itself is known to 2^-24 * 1000 = 6e-5 of a deviation of 0.6
});

test('SiLU and SiLUGrad equal the composition', async () => {
  const silu = (x: tf.Tensor) => tf.mul(x, tf.sigmoid(x));
  for (const shape of [[1], [3], [4], [5, 7], [2, 3, 5, 7]]) {
    const [x, dy] = [randomInput(shape, 1, 8), randomInput(shape, 2)];
    await expectKernelIsComposition('SiLU', ['x'], {}, silu as (...inputs: tf.Tensor[]) => tf.Tensor, [x]);
    const gradient = (x: tf.Tensor, dy: tf.Tensor) => tf.grad(silu)(x, dy);
    await expectKernelIsComposition('SiLUGrad', ['x', 'dy'], {}, gradient as (...inputs: tf.Tensor[]) => tf.Tensor, [
      x,
      dy,
    ]);
  }
});

test('AdamW takes the step of the composition', async () => {
  const attributes = { decay: 0.99, beta1: 0.9, beta2: 0.999, stepSize: 0.02, denominatorScale: 3, eps: 1e-8 };
  const names = ['parameter', 'gradient', 'expAvg', 'expAvgSq', 'gradientScale'];
  for (const shape of [[1], [6], [3, 3, 2, 5], [64]]) {
    const squares = randomInput(shape, 4);
    await expectKernelIsComposition(
      'AdamW',
      names,
      attributes,
      (...tensors) => {
        const [p, g, m, v, scale] = tensors as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const gradient = tf.mul(g, scale);
        const m1 = tf.add(tf.mul(m, 0.9), tf.mul(gradient, 0.1));
        const v1 = tf.add(tf.mul(v, 0.999), tf.mul(tf.square(gradient), 0.001));
        const change = tf.mul(tf.div(m1, tf.add(tf.mul(tf.sqrt(v1), 3), 1e-8)), 0.02);
        return [tf.sub(tf.mul(p, 0.99), change), m1, v1];
      },
      [
        randomInput(shape, 1),
        randomInput(shape, 2),
        randomInput(shape, 3),
        { ...squares, values: squares.values.map((v) => v * v) },
        { shape: [], values: Float32Array.of(0.25) },
      ],
    );
  }
});

test('HaarDwt2d packs the bands of each 2 x 2 block, and HaarIdwt2d undoes it', async () => {
  for (const [h, w, c] of [
    [2, 2, 1],
    [4, 6, 3],
    [8, 4, 4],
    [2, 4, 9],
  ] as const) {
    const x = randomInput([2, h, w, c], h);
    const bands = (x: tf.Tensor) => {
      const blocks = tf.reshape(x, [2, h / 2, 2, w / 2, 2 * c]);
      const [top, bottom] = tf.unstack(blocks, 2) as [tf.Tensor, tf.Tensor];
      const [p, q] = tf.split(top, 2, 3) as [tf.Tensor, tf.Tensor];
      const [r, s] = tf.split(bottom, 2, 3) as [tf.Tensor, tf.Tensor];
      const signs = [
        [1, 1, 1, 1],
        [1, 1, -1, -1],
        [1, -1, 1, -1],
        [1, -1, -1, 1],
      ];
      const combined = signs.map((row) => tf.addN([p, q, r, s].map((part, i) => tf.mul(part, (row[i] as number) / 2))));
      return tf.concat(combined, 3);
    };
    await expectKernelIsComposition('HaarDwt2d', ['x'], {}, bands as (...inputs: tf.Tensor[]) => tf.Tensor, [x]);
    await expectSameAsCpu(
      (x) => {
        if (tf.getBackend() !== 'wasm') return tf.clone(x as tf.Tensor);
        const packed = tf.engine().runKernel('HaarDwt2d', { x: x as tf.Tensor }) as tf.Tensor;
        return tf.engine().runKernel('HaarIdwt2d', { x: packed }) as tf.Tensor;
      },
      [x],
    );
  }
});

test('integers and unequal groups are refused by name', async () => {
  await wasmBackend();
  const [x, c] = [tf.ones([1, 2, 2, 6]), tf.ones([6])];
  const attributes = { groups: 4, eps: 1e-5, silu: false };
  const run = (x: tf.Tensor) => tf.engine().runKernel('GroupNorm', { x, scale: c, shift: c }, attributes);
  expect(() => run(x)).toThrowErrorMatchingInlineSnapshot(
    `[Error: GroupNorm: at most 8192 channels in equal groups, got 6 in 4]`,
  );
  const integers = tf.ones([1, 2, 2, 6], 'int32');
  expect(() => run(integers)).toThrowErrorMatchingInlineSnapshot(`[Error: GroupNorm: x must be float32, got int32]`);
  tf.dispose([x, c, integers]);
});
