import { float32View, openSafetensors, type TensorFile, type TensorView, writeSafetensors } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { BatchNorm2d } from './batch-norm-2d';
import { Conv2d } from './conv2d';
import { Linear } from './linear';
import { Module } from './module';
import { StateDictError } from './state-dict';
import { randomized } from './test-values';

class Small extends Module {
  readonly conv = this.child('conv', new Conv2d({ inChannels: 3, outChannels: 5, kernel: 3, pad: 1 }));
  readonly norm = this.child('norm', new BatchNorm2d({ channels: 5 }));
  readonly linear = this.child('linear', new Linear({ inFeatures: 4, outFeatures: 2 }));
}

async function fileOf(state: Map<string, TensorView>): Promise<TensorFile & { reads: number[] }> {
  const bytes = writeSafetensors(state);
  const reads: number[] = [];
  const file = await openSafetensors({
    size: bytes.length,
    read: async (offset, length) => {
      reads.push(length);
      return bytes.slice(offset, offset + length);
    },
  });
  reads.length = 0;
  return { ...file, reads };
}

const allocated = (module: Module) => [...module.parameters().values()].filter((p) => p.isAllocated).length;
const view = (shape: number[], ...values: number[]) => float32View(Float32Array.from(values), shape);
const NON_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

describeBackends(['cpu', 'wasm'], () => {
  test('a file by ranges gives the same parameters and buffers, each tensor read once', async () => {
    const model = randomized(new Small());
    const state = await model.stateDict();
    const file = await fileOf(state);
    const copy = new Small();
    expect(await copy.loadFrom(file)).toBe(copy);
    expect(await copy.stateDict()).toEqual(state);
    expect(copy.loadedLayout).toMatchObject({ matched: state.size, total: state.size });
    expect(file.reads).toEqual([...state.values()].map(({ data }) => data.length));
    await expectTensors(0, () => copy.loadFrom(file));
    model.dispose();
    copy.dispose();
  });

  test('what is loaded does not follow the memory that it was loaded from', async () => {
    const values = Float32Array.of(1, 2);
    const state = new Map([
      ['weight', view([2, 1], 3, 4)],
      ['bias', { dtype: 'F32', shape: [2], data: new Uint8Array(values.buffer) } as TensorView],
    ]);
    const layer = new Linear({ inFeatures: 1, outFeatures: 2 }).loadStateDict(state);
    values.fill(9);
    expect([...(await layer.bias!.read())]).toEqual([1, 2]);
    layer.dispose();
  });

  test.each(NON_FINITE)('a failure while values are read leaves a module that is disposed of: %f', async (value) => {
    const model = randomized(new Small());
    const state = await model.stateDict();
    state.set('conv.bias', view([5], 1, 2, value, 4, 5));
    state.set('linear.bias', view([2], value, 0));
    const tensors = tf.memory().numTensors;
    const held = tensors - 10; // parameters and running statistics of `model`
    await expect(model.loadFrom(await fileOf(state))).rejects.toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Small.loadStateDict: the state dict has values that are not finite (pass { allowNonFinite: true } to load it all the same)
        2 with values that are not finite: conv.bias, linear.bias]
    `);
    expect([allocated(model), model.loadedLayout, tf.memory().numTensors]).toEqual([0, undefined, held + 2]);
    state.set('conv.bias', view([5], 1, 2, 3, 4, 5));
    state.set('linear.bias', view([2], 1, 0));
    await model.loadFrom(await fileOf(state));
    expect(await model.stateDict()).toEqual(state);
    model.dispose();
  });
});

describe('loadFrom', () => {
  test('what does not fit is refused before anything is read, and the module keeps its values', async () => {
    const model = randomized(new Small());
    const before = await model.stateDict();
    const state = new Map(before);
    state.delete('conv.weight');
    state.set('linear.bias', view([3], 1, 2, 3));
    const file = await fileOf(state);
    await expect(model.loadFrom(file)).rejects.toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Small.loadStateDict: the state dict is not of this architecture
        1 missing: conv.weight
        1 of another shape: linear.bias expected [2], got [3]]
    `);
    expect(file.reads).toEqual([]);
    expect(await model.stateDict()).toEqual(before);
  });

  test('what the file throws passes through, and the module is disposed of', async () => {
    const model = randomized(new Small());
    const file = await fileOf(await model.stateDict());
    const failure = new Error('disk gone');
    let left = 3;
    const failing: TensorFile = {
      ...file,
      tensor: async (name) => {
        if (left-- === 0) throw failure;
        return await file.tensor(name);
      },
    };
    await expect(model.loadFrom(failing)).rejects.toBe(failure);
    expect(allocated(model)).toBe(0);
  });

  test('a file that gives other bytes than its header says', async () => {
    const model = new Linear({ inFeatures: 2, outFeatures: 1, bias: false });
    const file = await fileOf(new Map([['weight', view([1, 2], 1, 2)]]));
    const lying: TensorFile = { ...file, tensor: async () => ({ ...view([1, 2], 1, 2), data: new Uint8Array(4) }) };
    await expect(model.loadFrom(lying)).rejects.toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Linear.loadStateDict: the state dict is not of this architecture
        1 of another shape: weight expected 8 bytes of F32 [1, 2], got 4]
    `);
  });
});

describe('loadStateDict', () => {
  test('views whose bytes do not fit are refused before anything is loaded', async () => {
    const model = randomized(new Small());
    const before = await model.stateDict();
    const state = new Map(before);
    state.set('conv.weight', { dtype: 'F32', shape: [5, 3, 3, 3], data: new Uint8Array(8) });
    state.set('linear.weight', { dtype: 'F32', shape: [2, 4], data: new Uint8Array(36) });
    state.set('linear.bias', { ...view([2], 1, 2), dtype: 'F31' as TensorView['dtype'] });
    expect(() => model.loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Small.loadStateDict: the state dict is not of this architecture
        3 of another shape: conv.weight expected 540 bytes of F32 [5, 3, 3, 3], got 8, linear.weight expected 32 bytes of F32 [2, 4], got 36, linear.bias expected an element type of F64, F32, F16, BF16, F8_E4M3, F8_E5M2, I64, I32, I16, I8, U64, U32, U16, U8, BOOL, got F31]
    `);
    expect(await model.stateDict()).toEqual(before);
  });

  test('values that are not finite are refused by name before anything is loaded, in every element type', async () => {
    const layer = randomized(new Linear({ inFeatures: 1, outFeatures: 1 }));
    const before = await layer.stateDict();
    const bias = (dtype: TensorView['dtype'], ...data: number[]): Map<string, TensorView> =>
      new Map(before).set('bias', { dtype, shape: [1], data: Uint8Array.from(data) });
    expect(() => layer.loadStateDict(bias('F16', 0, 0x7c))).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Linear.loadStateDict: the state dict has values that are not finite (pass { allowNonFinite: true } to load it all the same)
        1 with values that are not finite: bias]
    `);
    for (const state of [
      bias('F32', 0, 0, 0x80, 0xff),
      bias('F32', 1, 0, 0xc0, 0x7f),
      bias('BF16', 0x80, 0x7f),
      bias('F64', 0, 0, 0, 0, 0, 0, 0xf0, 0x7f),
      bias('F64', 0, 0, 0, 0, 0, 0, 0, 0x7f), // beyond float32
      bias('F8_E5M2', 0x7c),
    ]) {
      expect(() => layer.loadStateDict(state)).toThrow(StateDictError);
      expect(() => layer.loadStateDict(state)).toThrow(/1 with values that are not finite: bias$/);
    }
    expect(await layer.stateDict()).toEqual(before);
    for (const state of [bias('F32', 255, 255, 0x7f, 0x7f), bias('I32', 0, 0, 0xc0, 0x7f), bias('F16', 255, 0x7b)]) {
      layer.loadStateDict(state);
    }
  });

  test('with allowNonFinite they are loaded', async () => {
    const state = new Map([
      ['weight', view([1, 1], Number.NaN)],
      ['bias', view([1], Number.NEGATIVE_INFINITY)],
    ]);
    const layer = new Linear({ inFeatures: 1, outFeatures: 1 });
    expect(await layer.loadStateDict(state, { allowNonFinite: true }).stateDict()).toEqual(state);
    await layer.loadFrom(await fileOf(state), { allowNonFinite: true });
    expect(await layer.stateDict()).toEqual(state);
  });

  test('StateDictError has the names', () => {
    const state = new Map([
      ['weight', view([1, 1], Number.NaN)],
      ['bias', view([1], 1)],
    ]);
    try {
      new Linear({ inFeatures: 1, outFeatures: 1 }).loadStateDict(state);
      expect.unreachable();
    } catch (error) {
      expect(error).toMatchObject({ missing: [], unexpected: [], misshaped: [], nonFinite: ['weight'] });
    }
  });
});
