import { readSafetensors, type StateDict, toFloat32, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectGradient, expectTensors, golden } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { BatchNorm2d } from './batch-norm-2d';
import { valueAndGradients } from './gradients';
import { Module } from './module';
import { withoutPrefix } from './state-dict';
import { noise, ofParameters, randomized } from './test-values';

const { tensors } = readSafetensors(golden('batch_norm.safetensors'));
const part = (name: string): StateDict => withoutPrefix(tensors, `${name}/`);

function images(state: StateDict, name: string): Tensor4D {
  const view = state.get(name)!;
  return tf.tidy(
    () => tf.transpose(tf.tensor(toFloat32(view), [...view.shape]), [0, 2, 3, 1]) as tf.Tensor as Tensor4D,
  );
}

const fromTorch = () => new BatchNorm2d({ channels: 6 }).loadStateDict(part('before'));

async function expectState(layer: BatchNorm2d, expected: StateDict): Promise<void> {
  const state = await layer.stateDict();
  expect([...state.keys()]).toEqual([...expected.keys()]);
  for (const [name, view] of expected) {
    expect(state.get(name)!.dtype).toBe(view.dtype);
    expect(state.get(name)!.shape).toEqual(view.shape);
    expect(toFloat32(state.get(name)!)).toBeAllclose(toFloat32(view));
  }
}

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test('two training steps and an evaluation have the values, gradients and buffers of torch.nn.BatchNorm2d', async () => {
    const layer = fromTorch();
    for (const [name, statistics, after] of [
      ['train1', 'update', 'after1'],
      ['train2', 'update', 'after2'],
      ['eval', 'running', 'after2'],
    ] as const) {
      const values = part(name);
      const [x, gradY] = [images(values, 'x'), images(values, 'grad_y')];
      const y = await expectTensors(1, () => layer.forward(x, { statistics }));
      await expect(y).toBeAllclose(images(values, 'y'));
      await expectState(layer, part(after));
      if (statistics === 'update') await expect(layer.forward(x, { statistics: 'batch' })).toBeAllclose(y, 0);

      const again = statistics === 'update' ? 'batch' : statistics; // normalized alike, without another update
      const dx = await expectTensors(1, () =>
        tf.grad((v) => layer.forward(v as Tensor4D, { statistics: again }))(x, gradY),
      );
      await expect(dx).toBeAllclose(images(values, 'grad_x'), { of: 'gradient' });
      const { value, gradients } = await expectTensors(3, () =>
        valueAndGradients(() => tf.sum(tf.mul(layer.forward(x, { statistics: again }), gradY)), layer.parameters()),
      );
      await expect(gradients.get('weight')!).toBeAllclose(toFloat32(values.get('grad_weight')!), { of: 'gradient' });
      await expect(gradients.get('bias')!).toBeAllclose(toFloat32(values.get('grad_bias')!), { of: 'gradient' });
      await expectState(layer, part(after));
      tf.dispose([x, gradY, y, dx, value, ...gradients.values()]);
    }
  });

  test('a training step under differentiation moves the buffers once, and they outlive it', async () => {
    const layer = fromTorch();
    const x = images(part('train1'), 'x');
    const loss = (): tf.Scalar => tf.sum(tf.square(layer.forward(x, { statistics: 'update' })));
    await expectTensors(3, () => valueAndGradients(() => tf.tidy(loss), layer.parameters()));
    await expectState(layer, part('after1'));
  });

  test('the gradients are those of finite differences', async () => {
    const x = noise(1, [2, 3, 4, 5], 2, 1);
    for (const statistics of ['running', 'batch'] as const) {
      const layer = randomized(new BatchNorm2d({ channels: 5 }));
      layer.runningVar.assign(tf.tensor1d([0.5, 1, 2, 1.5, 0.7]));
      const inputs = [x, ...[...layer.parameters().values()].map(({ value }) => tf.clone(value as tf.Tensor))];
      await expectGradient(
        ofParameters(layer, (v) => layer.forward(v as Tensor4D, { statistics })),
        inputs,
      );
    }
  });

  test('a batch has mean bias and deviation weight afterwards, whatever it had', async () => {
    const layer = randomized(new BatchNorm2d({ channels: 3 }));
    const y = layer.forward(noise<tf.Rank.R4>(2, [4, 16, 16, 3], 30, 100), { statistics: 'batch' });
    const { mean, variance } = tf.moments(y, [0, 1, 2]);
    await expect(mean).toBeAllclose(layer.bias.value as tf.Tensor, { absolute: 1e-5 });
    await expect(tf.sqrt(variance)).toBeAllclose(tf.abs(layer.weight.value as tf.Tensor), 1e-4);
  });
});

describe('buffers', () => {
  class Net extends Module {
    readonly norm = this.child('main.1', new BatchNorm2d({ channels: 2 }));
  }
  const names = ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'].map((n) => `main.1.${n}`);

  test('belong to the state dict and are no parameters', async () => {
    const net = await expectTensors(0, () => new Net());
    expect([...net.parameters().keys()]).toEqual(names.slice(0, 2));
    expect([...net.buffers().keys()]).toEqual(names.slice(2));
    expect(net.parameterCount).toBe(4);
    expect([...net.buffers().values()].some(({ isAllocated }) => isAllocated)).toBe(false);
    const state = await net.stateDict();
    expect([...state.keys()]).toEqual(names);
    expect(state.get('main.1.num_batches_tracked')).toEqual({ dtype: 'I64', shape: [], data: new Uint8Array(8) });
  });

  test('come back exactly through a file, a count beyond float32 and int32 too', async () => {
    const net = new Net();
    net.norm.forward(noise<tf.Rank.R4>(3, [1, 4, 4, 2]), { statistics: 'update' });
    net.norm.numBatchesTracked.value = 2 ** 40 + 1;
    const saved = await net.stateDict();
    const copy = new Net().loadStateDict(readSafetensors(writeSafetensors(saved)).tensors);
    expect(copy.norm.numBatchesTracked.value).toBe(2 ** 40 + 1);
    expect(await copy.stateDict()).toEqual(saved);
    net.initialize(randomKey(1));
    expect(net.norm.numBatchesTracked.value).toBe(0);
    await expect(net.norm.runningVar.value).toBeAllclose([1, 1], 0);
    await expectTensors(-4, () => copy.dispose());
    expect(copy.norm.numBatchesTracked.value).toBe(0);
  });

  test('are asked for by a strict load', async () => {
    const state = await new Net().stateDict();
    state.delete('main.1.running_mean');
    state.set('main.1.num_batches_tracked', { ...state.get('main.1.weight')! });
    expect(() => new Net().loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Net.loadStateDict: the state dict is not of this architecture
        1 missing: main.1.running_mean
        1 of another shape: main.1.num_batches_tracked expected [], got [2]]
    `);
  });

  test('have a name once, and keep their shape', () => {
    class Twice extends Module {
      readonly first = this.buffer('mean', [1], 0);
      readonly second = this.countBuffer('mean');
    }
    expect(() => new Twice()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Module.buffer: name must be a name not yet in use, got "mean"]`,
    );
    expect(() => new Net().norm.runningMean.assign(tf.zeros([3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: TensorBuffer.assign: value must be [2], got [3]]`,
    );
  });
});

test('each bad argument is named', () => {
  expect(() => new BatchNorm2d({ channels: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: BatchNorm2d: channels must be an integer >= 1, got 0]`,
  );
  expect(() => new BatchNorm2d({ channels: 1, momentum: 2 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: BatchNorm2d: momentum must be a number in [0, 1], got 2]`,
  );
  const layer = new BatchNorm2d({ channels: 2 });
  expect(() => layer.forward(tf.zeros([1, 2, 2, 3]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: BatchNorm2d: x must be [N, H, W, 2], got [1, 2, 2, 3]]`,
  );
  expect(() => layer.forward(tf.zeros([1, 1, 1, 2]), { statistics: 'batch' })).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: BatchNorm2d: x must be [N, H, W, 2] of more than one pixel, got [1, 1, 1, 2]]`,
  );
});
