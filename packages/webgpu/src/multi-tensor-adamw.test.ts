import { useBackend } from '@sd/backend';
import { toFloat32 } from '@sd/checkpoint';
import { normal, randomKey } from '@sd/core';
import { Module, torchDefaultInit } from '@sd/nn';
import { AdamW, ExponentialMovingAverage } from '@sd/nn/optim';
import { countDispatches, describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { registerWebGPUKernels } from './index';

const webgpu = () => useBackend('webgpu', { allowSoftware: true });

/** A module of parameters `p0`, `p1`, ... with these shapes. */
class Bag extends Module {
  constructor(shapes: readonly (readonly number[])[]) {
    super();
    for (const [i, shape] of shapes.entries()) this.param(`p${i}`, shape, torchDefaultInit(4));
  }
}

/** What free memory of these sizes holds is NaN from now on: nothing may rely on zeros. */
function poisonMemory(sizes: readonly number[]): void {
  tf.dispose(sizes.map((size) => tf.fill([size], Number.NaN)));
}

type Run = {
  readonly shapes: number[][];
  /** Of each step: whether each parameter has a gradient. */
  readonly steps: boolean[][];
  readonly maxNorm: number;
  readonly averaged: number;
  readonly seed: number;
};

/** Steps of training on random gradients on the active backend; everything that they changed, and the norms. */
async function train({ shapes, steps, maxNorm, averaged, seed }: Run) {
  const bag = new Bag(shapes).initialize(randomKey(seed));
  const parameters = bag.parameters();
  const optimizer = new AdamW(parameters, { learningRate: 0.05, weightDecay: 0.1 });
  const average = new ExponentialMovingAverage(new Map([...parameters].slice(0, averaged)));
  const norms: number[] = [];
  for (const [k, present] of steps.entries()) {
    const gradients = new Map<string, tf.Tensor>();
    for (const [i, shape] of shapes.entries()) {
      if (present[i]) gradients.set(`p${i}`, normal(randomKey(1000 * seed + 50 * k + i), shape as [number]));
    }
    if (tf.getBackend() === 'webgpu') poisonMemory([1, 2, 7, ...shapes.map((shape) => tf.util.sizeFromShape(shape))]);
    const norm = optimizer.clippedUpdate(gradients, { maxNorm, average });
    norms.push(...(await norm.data()));
    tf.dispose([norm, ...gradients.values()]);
  }
  const state = [...(await bag.stateDict()), ...(await optimizer.stateDict()), ...(await average.stateDict())];
  for (const owner of [optimizer, average, bag]) owner.dispose();
  return { norms, state };
}

const shape = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 3 });
const runs = fc.array(shape, { minLength: 1, maxLength: 24 }).chain((shapes) =>
  fc.record({
    shapes: fc.constant(shapes),
    steps: fc.array(fc.array(fc.boolean(), { minLength: shapes.length, maxLength: shapes.length }), {
      minLength: 1,
      maxLength: 3,
    }),
    maxNorm: fc.constantFrom(0.5, 1e9),
    averaged: fc.integer({ min: 0, max: shapes.length }),
    seed: fc.integer({ min: 1, max: 99 }),
  }),
);

async function expectSameAsCpu(run: Run): Promise<void> {
  await useBackend('cpu');
  const expected = await train(run);
  await webgpu();
  const actual = await expectTensors(0, () => train(run));
  expect(actual.norms).toBeAllclose(expected.norms);
  expect(actual.state.map(([name]) => name)).toEqual(expected.state.map(([name]) => name));
  for (const [i, [, view]] of actual.state.entries()) {
    expect(toFloat32(view)).toBeAllclose(toFloat32(expected.state[i]![1]));
  }
}

describeBackends(['webgpu'], () => {
  beforeAll(async () => {
    await webgpu();
    await registerWebGPUKernels();
  });

  test('steps of many parameters with clipping and average are those of the cpu backend, one by one', () =>
    fc.assert(fc.asyncProperty(runs, expectSameAsCpu), { numRuns: 8 }));

  test('a tensor of many workgroups is, too', () =>
    expectSameAsCpu({
      shapes: [[5], [300, 101], [1025]],
      steps: [
        [true, true, true],
        [true, true, true],
      ],
      maxNorm: 1,
      averaged: 3,
      seed: 7,
    }));

  test('the same gradients give the same bits', async () => {
    const run = { shapes: [[64, 70], [9]], steps: [[true, true]], maxNorm: 0.5, averaged: 2, seed: 3 };
    await webgpu();
    expect(await train(run)).toEqual(await train(run));
  });

  test('update with a scale of the gradients is that of the cpu backend', async () => {
    const step = async () => {
      const bag = new Bag([[3, 5], [7]]).initialize(randomKey(1));
      const optimizer = new AdamW(bag.parameters());
      const gradients = new Map([['p1', normal(randomKey(2), [7]) as tf.Tensor]]);
      const gradientScale = tf.scalar(0.25);
      optimizer.update(gradients, { gradientScale });
      optimizer.update(gradients);
      const values = await Promise.all([...bag.parameters().values()].map((parameter) => parameter.read()));
      tf.dispose([gradientScale, ...gradients.values()]);
      optimizer.dispose();
      bag.dispose();
      return values;
    };
    await useBackend('cpu');
    const expected = await step();
    await webgpu();
    const actual = await expectTensors(0, step);
    for (const [i, values] of actual.entries()) expect(values).toBeAllclose(expected[i]!);
  });

  test('tensors that share memory with a parameter, and values read before, stay what they were', async () => {
    await webgpu();
    const bag = new Bag([[6]]).initialize(randomKey(1));
    const [parameter] = [...bag.parameters().values()];
    const before = (await parameter!.read()).slice();
    const clone = tf.clone(parameter!.value as tf.Tensor);
    const optimizer = new AdamW(bag.parameters(), { learningRate: 0.5 });
    const gradients = new Map([['p0', tf.ones([6])]]);
    const norm = optimizer.clippedUpdate(gradients, { maxNorm: 1 });
    await expect(clone).toBeAllclose(before, 0);
    const [afterOne] = [(await parameter!.read()).slice()];
    expect(afterOne).not.toEqual(before);
    optimizer.update(gradients); // in place now: nobody else holds what has just been read
    expect(await parameter!.read()).not.toEqual(afterOne);
    tf.dispose([clone, norm, ...gradients.values()]);
    optimizer.dispose();
    bag.dispose();
  });

  test('150 tensors take 2 n / (b - 2) + 2 dispatches, rounded up, of b bindings', async () => {
    await webgpu();
    const bag = new Bag(Array.from({ length: 150 }, () => [4])).initialize(randomKey(1));
    const optimizer = new AdamW(bag.parameters());
    const average = new ExponentialMovingAverage(bag.parameters());
    const gradients = new Map([...bag.parameters()].map(([name]) => [name, tf.ones([4])]));
    const step = () => optimizer.clippedUpdate(gradients, { maxNorm: 1, average }).dispose();
    step(); // packs the state
    const { device } = tf.backend() as unknown as { device: GPUDevice };
    const bindings = device.limits.maxStorageBuffersPerShaderStage;
    expect(await countDispatches(() => expectTensors(0, step))).toBe(2 * Math.ceil(150 / (bindings - 2)) + 2);
    tf.dispose([...gradients.values()]);
    for (const owner of [optimizer, average, bag]) owner.dispose();
  });
});
