import {
  float16View,
  float32View,
  readSafetensors,
  type TensorView,
  toFloat32,
  writeSafetensors,
} from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { Conv2d } from './conv2d';
import { Embedding } from './embedding';
import { GroupNorm } from './group-norm';
import { zeros } from './init';
import { LayerNorm } from './layer-norm';
import { Linear } from './linear';
import { Module } from './module';
import { StateDictError } from './state-dict';
import { randomized } from './test-values';

/** One of each layer, declared in this order or in the opposite one. */
class Everything extends Module {
  constructor(order: 'forwards' | 'backwards' = 'forwards') {
    super();
    const layers: [string, () => Module][] = [
      ['in_layers.0', () => new GroupNorm({ channels: 4, groups: 2, eps: 1e-5 })],
      ['in_layers.2', () => new Conv2d({ inChannels: 4, outChannels: 6, kernel: 3, pad: 1 })],
      ['attn', () => new Attention()],
      ['label_emb', () => new Embedding({ count: 3, features: 4 })],
    ];
    for (const [name, create] of order === 'forwards' ? layers : layers.reverse()) this.child(name, create());
  }
}

class Attention extends Module {
  readonly norm = this.child('norm', new LayerNorm({ features: 4 }));
  readonly qkv = this.child('qkv', new Linear({ inFeatures: 4, outFeatures: 12, weightShape: 'conv1d' }));
  readonly projection = this.child('proj_out', new Linear({ inFeatures: 4, outFeatures: 4, bias: false }));
  readonly scale = this.param('scale', [1], zeros);
}

const SHAPES = {
  'in_layers.0.weight': [4],
  'in_layers.0.bias': [4],
  'in_layers.2.weight': [6, 4, 3, 3],
  'in_layers.2.bias': [6],
  'attn.scale': [1],
  'attn.norm.weight': [4],
  'attn.norm.bias': [4],
  'attn.qkv.weight': [12, 4, 1],
  'attn.qkv.bias': [12],
  'attn.proj_out.weight': [4, 4],
  'label_emb.weight': [3, 4],
};

const allocated = (module: Module) => [...module.parameters().values()].filter((p) => p.isAllocated).length;

/** A state dict of these shapes whose values all differ. */
function numbered(): Map<string, TensorView> {
  let next = 0;
  return new Map(
    Object.entries(SHAPES).map(([name, shape]) => {
      const size = shape.reduce((product, n) => product * n, 1);
      return [
        name,
        float32View(
          Float32Array.from({ length: size }, () => next++),
          shape,
        ),
      ];
    }),
  );
}

describeBackends(['cpu', 'wasm'], () => {
  test("parameters have the dotted names and shapes of PyTorch's state dict", async () => {
    const state = await new Everything().stateDict();
    expect(Object.fromEntries([...state].map(([name, { shape }]) => [name, shape]))).toEqual(SHAPES);
    expect([...state.keys()]).toEqual(Object.keys(SHAPES));
    for (const { dtype } of state.values()) expect(dtype).toBe('F32');
  });

  test('to be counted and listed a module takes no memory, and a use takes only what it uses', async () => {
    const model = await expectTensors(0, () => {
      const created = new Everything();
      const counted = Object.values(SHAPES).reduce((sum, shape) => sum + shape.reduce((a, b) => a * b, 1), 0);
      expect(created.parameterCount).toBe(counted);
      expect(created.parameters().size).toBe(11);
      return created;
    });
    expect(allocated(model)).toBe(0);
    await expectTensors(1, () => model.parameters().get('attn.scale')?.value);
    expect(allocated(model)).toBe(1);
  });

  test('load and save keep every bit and put every value where the layers read it', async () => {
    const state = numbered();
    const model = new Everything();
    await expectTensors(11, () => model.loadStateDict(state));
    expect(await expectTensors(0, () => model.stateDict())).toEqual(state);
    const conv = model.parameters().get('in_layers.2.weight')!;
    const torch = toFloat32(state.get('in_layers.2.weight')!);
    const memory = await conv.value.data(); // [3, 3, 4, 6]
    for (let o = 0; o < 6; o++)
      for (let i = 0; i < 4; i++)
        for (let y = 0; y < 3; y++)
          for (let x = 0; x < 3; x++)
            expect(memory[((y * 3 + x) * 4 + i) * 6 + o]).toBe(torch[((o * 4 + i) * 3 + y) * 3 + x]);
    const qkv = model.parameters().get('attn.qkv.weight')!;
    const fromQkv = toFloat32(state.get('attn.qkv.weight')!);
    const inQkv = await qkv.value.data(); // [4, 12]
    for (let o = 0; o < 12; o++) for (let i = 0; i < 4; i++) expect(inQkv[i * 12 + o]).toBe(fromQkv[o * 4 + i]);
  });

  test('through a safetensors file all values come back exactly', async () => {
    const model = randomized(new Everything());
    const saved = await model.stateDict();
    const copy = new Everything().loadStateDict(readSafetensors(writeSafetensors(saved)).tensors);
    expect(await copy.stateDict()).toEqual(saved);
  });

  test('half precision loads as float32', async () => {
    const values = Float32Array.of(0.5, -1.25, 3, 65504);
    const layer = new Linear({ inFeatures: 2, outFeatures: 2, bias: false });
    layer.loadStateDict(new Map([['weight', float16View(values, [2, 2])]]));
    expect(await layer.weight.read()).toEqual(values);
  });

  test('a saved state does not follow the parameters', async () => {
    const model = randomized(new Everything());
    const saved = await model.stateDict();
    const before = saved.get('attn.norm.bias')!.data.slice();
    randomized(model, 500);
    expect(saved.get('attn.norm.bias')!.data).toEqual(before);
    expect((await model.stateDict()).get('attn.norm.bias')!.data).not.toEqual(before);
  });

  test('initialize depends on the key and the names alone', async () => {
    const state = await new Everything().initialize(randomKey(1)).stateDict();
    const reversed = await new Everything('backwards').initialize(randomKey(1)).stateDict();
    expect(new Set(reversed.keys())).toEqual(new Set(state.keys()));
    for (const [name, view] of state) expect(reversed.get(name)).toEqual(view);
    const other = await new Everything().initialize(randomKey(2)).stateDict();
    expect(other.get('attn.qkv.weight')).not.toEqual(state.get('attn.qkv.weight'));
    expect(state.get('attn.qkv.bias')!.data).not.toEqual(state.get('attn.qkv.weight')!.data.slice(0, 48));
  });

  test('what is used before it is initialized has the values of randomKey(0), whatever is used first', async () => {
    const expected = await new Everything().initialize(randomKey(0)).stateDict();
    const lazy = new Everything();
    lazy.parameters().get('label_emb.weight')?.value; // out of order
    expect(await lazy.stateDict()).toEqual(expected);
  });

  test('initialize again and load again leave no tensors; dispose frees all', async () => {
    const model = new Everything();
    await expectTensors(11, () => model.initialize(randomKey(1)));
    await expectTensors(0, () => model.initialize(randomKey(2)));
    await expectTensors(0, () => model.loadStateDict(numbered()));
    await expectTensors(-11, () => model.dispose());
    expect(allocated(model)).toBe(0);
    await expectTensors(0, () => model.dispose());
    model.loadStateDict(numbered());
    expect(await model.stateDict()).toEqual(numbered());
  });

  test('a parameter first used inside tf.tidy outlives it', async () => {
    const layer = new Linear({ inFeatures: 2, outFeatures: 2 });
    const [y, again] = [tf.tidy(() => layer.forward(tf.ones([1, 2]))), layer.forward(tf.ones([1, 2]))];
    await expect(y).toBeAllclose(again, 0);
  });
});

describe('errors', () => {
  let before: Map<string, TensorView>;
  const model = new Everything();
  beforeAll(async () => {
    before = await randomized(model).stateDict();
  });

  function wrongState(): Map<string, TensorView> {
    const state = numbered();
    state.delete('attn.qkv.bias');
    state.delete('label_emb.weight');
    state.set('attn.qkv.weight', float32View(new Float32Array(48), [12, 4]));
    state.set('in_layers.0.bias', float32View(new Float32Array(5), [5]));
    state.set('model_ema.decay', float32View(new Float32Array(1), [1]));
    state.set('extra', float32View(new Float32Array(1), []));
    return state;
  }

  test('a state dict that does not fit is refused with all its faults, and nothing is loaded', async () => {
    expect(() => model.loadStateDict(wrongState())).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Everything.loadStateDict: the state dict is not of this architecture
        2 missing: attn.qkv.bias, label_emb.weight
        2 unexpected: model_ema.decay, extra
        2 of another shape: in_layers.0.bias expected [4], got [5], attn.qkv.weight expected [12, 4, 1], got [12, 4]]
    `);
    expect(await model.stateDict()).toEqual(before);
  });

  test('the faults are listed for programs too', () => {
    try {
      model.loadStateDict(wrongState());
      expect.unreachable();
    } catch (error) {
      if (!(error instanceof StateDictError)) throw error;
      expect(error.missing).toEqual(['attn.qkv.bias', 'label_emb.weight']);
      expect(error.unexpected).toEqual(['model_ema.decay', 'extra']);
      expect(error.misshaped).toHaveLength(2);
    }
  });

  test('a fault of one kind is named alone', () => {
    const state = numbered();
    state.set('extra', float32View(new Float32Array(1), [1]));
    expect(() => model.loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Everything.loadStateDict: the state dict is not of this architecture
        1 unexpected: extra]
    `);
  });

  test('a name is given once', () => {
    class TwoChildren extends Module {
      readonly first = this.child('conv', new LayerNorm({ features: 1 }));
      readonly second = this.child('conv', new LayerNorm({ features: 1 }));
    }
    class TwoParameters extends Module {
      readonly first = this.param('weight', [1], zeros);
      readonly second = this.param('weight', [1], zeros);
    }
    class SameWhenJoined extends Module {
      readonly first = this.param('norm.weight', [1], zeros);
      readonly second = this.child('norm', new LayerNorm({ features: 1 }));
    }
    expect(() => new TwoChildren()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Module.child: name must be a name not yet in use, got "conv"]`,
    );
    expect(() => new TwoParameters()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Module.param: name must be a name not yet in use, got "weight"]`,
    );
    expect(() => new SameWhenJoined().parameters()).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Module.parameters: name must be a name not yet in use, got "norm.weight"]`,
    );
  });
});
