import { float32View, type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { describe, expect, test } from 'vitest';
import { BatchNorm2d } from './batch-norm-2d';
import { Linear } from './linear';
import { Module } from './module';
import { StateDictError } from './state-dict';
import { interleaved, ownLayout, renamed, type StateDictLayout } from './state-dict-layout';
import { randomized } from './test-values';

/** Attention of two heads, 4 channels wide, as LDM keeps it, and the same as diffusers does. */
class Attention extends Module {
  readonly qkv = this.child('qkv', new Linear({ inFeatures: 4, outFeatures: 12, weightShape: 'conv1d' }));
  readonly projection = this.child('proj_out', new Linear({ inFeatures: 4, outFeatures: 4, weightShape: 'conv1d' }));

  override stateDictLayouts(): readonly StateDictLayout[] {
    const places = [{ prefix: '' }, { prefix: 'model.' }, { prefix: 'model_ema.', ema: true }];
    const parts = (kind: string) => ['to_q', 'to_k', 'to_v'].map((part) => `${part}.${kind}`);
    const diffusers: StateDictLayout = {
      project: 'diffusers',
      tensors: new Map([
        ['qkv.weight', interleaved(parts('weight'), [4, 4], 2)],
        ['qkv.bias', interleaved(parts('bias'), [4], 2)],
        ['proj_out.weight', renamed('to_out.0.weight', [4, 4])],
        ['proj_out.bias', renamed('to_out.0.bias', [4])],
      ]),
    };
    return [ownLayout('LDM', this, places), diffusers];
  }
}

const describeState = (state: StateDict) => [...state].map(([name, { shape }]) => `${name} [${shape}]`);
const tensor = (...shape: number[]) =>
  float32View(new Float32Array(shape.reduce((product, size) => product * size, 1)), shape);

describe('mappings', () => {
  test('interleaved lays the blocks of its sources in turn, and takes them apart again', () => {
    const mapping = interleaved(['q', 'k', 'v'], [4, 2], 2);
    const rows = (first: number) => Float32Array.from({ length: 8 }, (_, i) => first + i);
    const [q, k, v] = [rows(0), rows(100), rows(200)];
    const own = mapping.join([q, k, v]);
    // head 0: q, k, v; head 1: q, k, v; two rows of two each
    expect([...own]).toEqual([
      ...[0, 1, 2, 3, 100, 101, 102, 103, 200, 201, 202, 203],
      ...[4, 5, 6, 7, 104, 105, 106, 107, 204, 205, 206, 207],
    ]);
    expect(mapping.split(own)).toEqual([q, k, v]);
    expect(mapping.sources.map(({ name, shape }) => [name, shape])).toEqual([
      ['q', [4, 2]],
      ['k', [4, 2]],
      ['v', [4, 2]],
    ]);
  });

  test('interleaved refuses blocks that do not divide', () => {
    expect(() => interleaved(['q'], [4, 2], 3)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: interleaved: blocks must be a divisor of the first axis of [4, 2], got 3]`,
    );
    expect(() => interleaved(['q'], [4], 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: interleaved: blocks must be an integer >= 1, got 0]`,
    );
  });
});

describe('a module of two layouts', () => {
  test('is written under the names and shapes of the one that is asked for', async () => {
    const model = randomized(new Attention());
    expect(describeState(await model.stateDict())).toEqual([
      'qkv.weight [12,4,1]',
      'qkv.bias [12]',
      'proj_out.weight [4,4,1]',
      'proj_out.bias [4]',
    ]);
    expect(describeState(await model.stateDict({ layout: 'diffusers' }))).toEqual([
      'to_q.weight [4,4]',
      'to_k.weight [4,4]',
      'to_v.weight [4,4]',
      'to_q.bias [4]',
      'to_k.bias [4]',
      'to_v.bias [4]',
      'to_out.0.weight [4,4]',
      'to_out.0.bias [4]',
    ]);
    expect([...(await model.stateDict({ prefix: 'student.' })).keys()][0]).toBe('student.qkv.weight');
    expect([...(await model.stateDict({ ema: true })).keys()]).toEqual([
      'model_ema.qkvweight',
      'model_ema.qkvbias',
      'model_ema.proj_outweight',
      'model_ema.proj_outbias',
    ]);
    const own = toFloat32((await model.stateDict()).get('qkv.bias') as TensorView);
    const q = toFloat32((await model.stateDict({ layout: 'diffusers' })).get('to_q.bias') as TensorView);
    expect([...q]).toEqual([own[0], own[1], own[6], own[7]]);
  });

  test.each([
    [{}, { project: 'LDM', prefix: '', ema: false, matched: 4, total: 4 }],
    [{ prefix: 'model.' }, { project: 'LDM', prefix: 'model.', ema: false, matched: 4, total: 4 }],
    [{ ema: true }, { project: 'LDM', prefix: 'model_ema.', ema: true, matched: 4, total: 4 }],
    [{ layout: 'diffusers' }, { project: 'diffusers', prefix: '', ema: false, matched: 8, total: 8 }],
  ])('finds the layout of what was written with %j and loads the same values', async (options, found) => {
    const model = randomized(new Attention());
    const state = await model.stateDict(options);
    const copy = new Attention();
    expect(copy.loadedLayout).toBeUndefined();
    expect(copy.detectLayout(state)).toEqual(found);
    expect(copy.loadStateDict(state).loadedLayout).toEqual(found);
    expect(await copy.stateDict()).toEqual(await model.stateDict());
  });

  test('a file may hold more beside the model, and its moving average too', async () => {
    const [plain, averaged] = [randomized(new Attention(), 1), randomized(new Attention(), 2)];
    const state = new Map([
      ...(await plain.stateDict({ prefix: 'model.' })),
      ...(await averaged.stateDict({ ema: true })),
      ['first_stage.weight', tensor(1)],
    ]);
    expect(await new Attention().loadStateDict(state).stateDict()).toEqual(await plain.stateDict());
    const copy = new Attention().loadStateDict(state, { ema: true });
    expect(await copy.stateDict()).toEqual(await averaged.stateDict());
    expect(copy.loadedLayout).toMatchObject({ prefix: 'model_ema.', ema: true });
    state.delete('model.qkv.bias'); // the average is complete
    expect(new Attention().loadStateDict(state).loadedLayout).toMatchObject({ ema: true });
    expect(() => new Attention().loadStateDict(state, { ema: false })).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Attention.loadStateDict: the state dict is not of this architecture
        nearest names: LDM, under model., 3 of 4
        1 missing: model.qkv.bias]
    `);
  });

  test('a plan needs only the header', async () => {
    const model = randomized(new Attention());
    const header = new Map(
      [...(await model.stateDict({ layout: 'diffusers' }))].map(([name, { shape }]) => [name, { shape }]),
    );
    const { steps } = new Attention().planLoad(header);
    expect(steps.map(({ name, sources }) => `${name} <- ${sources.map((source) => source.name).join(' ')}`)).toEqual([
      'qkv.weight <- to_q.weight to_k.weight to_v.weight',
      'qkv.bias <- to_q.bias to_k.bias to_v.bias',
      'proj_out.weight <- to_out.0.weight',
      'proj_out.bias <- to_out.0.bias',
    ]);
  });
});

test('buffers go under other names too, counts included', async () => {
  class Renamed extends Module {
    readonly norm = this.child('norm', new BatchNorm2d({ channels: 2 }));

    override stateDictLayouts(): readonly StateDictLayout[] {
      const own = ownLayout('own', this);
      const tensors = new Map(
        [...own.tensors].map(([name, { sources }]) => [name, renamed(name.replace('norm', 'bn'), sources[0].shape)]),
      );
      return [own, { project: 'other', tensors }];
    }
  }
  const model = new Renamed();
  model.norm.numBatchesTracked.value = 7;
  const state = await model.stateDict({ layout: 'other' });
  expect([...state.keys()]).toEqual([
    'bn.weight',
    'bn.bias',
    'bn.running_mean',
    'bn.running_var',
    'bn.num_batches_tracked',
  ]);
  const copy = new Renamed().loadStateDict(state);
  expect(copy.loadedLayout).toMatchObject({ project: 'other', matched: 5, total: 5 });
  expect(copy.norm.numBatchesTracked.value).toBe(7);
});

describe('refuses', () => {
  const refused = (state: StateDict, options = {}) => expect(() => new Attention().loadStateDict(state, options));

  test("everything that differs at once, under the file's names, with the parameter and both shapes", async () => {
    const state = await randomized(new Attention()).stateDict({ layout: 'diffusers' });
    state.delete('to_k.weight');
    state.set('to_v.bias', tensor(5));
    state.set('to_out.0.weight', tensor(4, 4, 1, 1));
    state.set('norm.weight', tensor(4));
    refused(state).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Attention.loadStateDict: the state dict is not of this architecture
        nearest names: diffusers, 7 of 8
        1 missing: to_k.weight (qkv.weight)
        1 unexpected: norm.weight
        2 of another shape: to_v.bias (qkv.bias) expected [4], got [5], to_out.0.weight (proj_out.weight) expected [4, 4], got [4, 4, 1, 1]]
    `);
  });

  test('the names of an unknown project, with the nearest known one; nothing is loaded', async () => {
    const state = new Map([
      ['attn.in_proj_weight', tensor(12, 4)],
      ['proj_out.bias', tensor(4)],
    ]);
    refused(state).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: Attention.loadStateDict: the state dict is not of this architecture
        nearest names: LDM, 1 of 4
        3 missing: qkv.weight, qkv.bias, proj_out.weight
        1 unexpected: attn.in_proj_weight]
    `);
    const model = randomized(new Attention());
    const before = await model.stateDict();
    expect(() => model.loadStateDict(state)).toThrow(StateDictError);
    expect(await model.stateDict()).toEqual(before);
    expect(model.loadedLayout).toBeUndefined();
  });

  test('layouts that it does not know, and averages where none are kept', async () => {
    refused(new Map(), { layout: 'keras' }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Attention.loadStateDict: layout must be one of 'LDM', 'diffusers', got "keras"]`,
    );
    await expect(new Attention().stateDict({ layout: 'keras' })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Attention.stateDict: layout must be one of 'LDM', 'diffusers', got "keras"]`,
    );
    refused(new Map(), { layout: 'diffusers', ema: true }).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: Attention.loadStateDict: ema must be left out, diffusers keeps no moving average, got true]`,
    );
  });

  test('a layout that forgets a parameter', async () => {
    class Forgetful extends Module {
      readonly linear = this.child('linear', new Linear({ inFeatures: 1, outFeatures: 1 }));

      override stateDictLayouts(): readonly StateDictLayout[] {
        return [{ project: 'mine', tensors: new Map([['linear.weight', renamed('w', [1, 1])]]) }];
      }
    }
    expect(() => new Forgetful().loadStateDict(new Map())).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: StateDictLayout: mine must be a layout of every parameter, got "linear.bias"]`,
    );
    await expect(new Forgetful().stateDict()).rejects.toThrow('mine must be a layout of every parameter');
  });
});
