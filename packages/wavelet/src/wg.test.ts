import { foldIn, normal, randomKey } from '@sd/core';
import type { Conv2d } from '@sd/nn';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { dwt2d } from './dwt2d';
import { idwt2d } from './idwt2d';
import { type PlainWeights, plainGates, plainWGDown, plainWGUp } from './plain-reference';
import type { ExtensionMode } from './wavelet';
import type { GateKind } from './wavelet-gate';
import type { WaveletName } from './wavelet-name';
import { waveletNames } from './wavelet-names';
import type { FuseKind, WGConfig } from './wg-config';
import { WGDown } from './wg-down';
import { WGUp } from './wg-up';

const KEY = randomKey(5);
const random = (name: string, shape: [number, number, number, number]) => normal<tf.Rank.R4>(foldIn(KEY, name), shape);

/** Weights large enough that the gates spread over (0, 1): with the initial ones they are all near a half. */
function withLargeWeights<M extends WGDown | WGUp>(module: M): M {
  for (const [name, parameter] of module.parameters()) {
    tf.tidy(() => parameter.assign(normal(foldIn(KEY, name), [...parameter.shape] as [number])));
  }
  return module;
}

const weightsOf = (module: WGDown | WGUp) =>
  [...module.parameters().values()].map(({ value }) => value) as unknown as PlainWeights;

const VARIANTS: { fuse: FuseKind; gate: GateKind }[] = [
  { fuse: 'conv', gate: 'channel' },
  { fuse: 'conv', gate: 'band' },
  { fuse: 'sum', gate: 'channel' },
  { fuse: 'sum', gate: 'band' },
];
const MODULES = [
  { name: 'WGDown', make: (config: WGConfig) => new WGDown(config), plain: plainWGDown, output: [2, 2, 3, 8] },
  { name: 'WGUp', make: (config: WGConfig) => new WGUp(config), plain: plainWGUp, output: [2, 8, 12, 8] },
];
const CASES = MODULES.flatMap((module) => VARIANTS.map((variant) => ({ ...module, ...variant })));

describeBackends(['cpu', 'wasm'], () => {
  describe.each(CASES)('$name, fuse $fuse, gate $gate', ({ make, plain, output, fuse, gate }) => {
    const config = { channels: 8, fuse, gate, gateHidden: 3 };

    test('equals the formulas written out band by band', async () => {
      const module = withLargeWeights(make(config));
      const x = random('x', [2, 4, 6, 8]);
      const y = await expectTensors(1, () => module.forward(x));
      expect(y.shape).toEqual(output);
      await expect(y).toBeAllclose(plain(x, weightsOf(module)));
    });

    test('gates are in (0, 1), differ between samples and are those of the formula', async () => {
      const module = withLargeWeights(make(config));
      const x = tf.mul(random('x', [2, 4, 6, 8]), tf.tensor4d([1, 4], [2, 1, 1, 1])) as tf.Tensor4D;
      const gates = await expectTensors(1, () => module.gates(x));
      const perBand = gate === 'band' ? 1 : module instanceof WGDown ? 8 : 2;
      expect(gates.shape).toEqual([2, 4, perBand]);
      await expect(gates).toBeAllclose(tf.concat(plainGates(x, weightsOf(module)), 1).reshape([2, 4, perBand]));
      const values = Array.from(await gates.data());
      expect(Math.min(...values)).toBeGreaterThan(0);
      expect(Math.max(...values)).toBeLessThan(1);
      expect(Math.max(...values) - Math.min(...values)).toBeGreaterThan(0.2);
      expect(values.slice(0, 4 * perBand)).not.toBeAllclose(values.slice(4 * perBand), 0.1);
    });

    test('gradients by the input agree with finite differences, those by the weights with the plain formulas', async () => {
      const module = withLargeWeights(make(config));
      const x = random('x', [2, 4, 6, 8]);
      await expectTensors(0, () => expectGradient((t) => module.forward(t as tf.Tensor4D), x));

      const target = random('target', output as [number, number, number, number]);
      const weights = weightsOf(module) as unknown as tf.Variable[];
      const copies = weights.map((weight) => tf.clone(weight as tf.Tensor));
      const expected = tf.grads((...args) => tf.sum(tf.mul(plain(x, args as unknown as PlainWeights), target)))(copies);
      const { value, grads } = await expectTensors(1 + weights.length, () =>
        tf.variableGrads(() => tf.sum(tf.mul(module.forward(x), target)), weights),
      );
      for (const [i, weight] of weights.entries()) await expect(grads[weight.name]).toBeAllclose(expected[i]);
      tf.dispose([value, grads]);
    });
  });

  test.each([
    ['db2', 'periodization', [3, 4]],
    ['bior4.4', 'periodization', [3, 4]],
    ['haar', 'reflect', [3, 4]],
    ['sym3', 'symmetric', [5, 6]],
  ] as const)(
    'with %s and %s, of an odd size, they are the transform between gates and convolution',
    async (wavelet, mode, half) => {
      const config = { channels: 8, wavelet, mode };
      const x = random('x', [2, 5, 8, 8]);
      const down = withLargeWeights(new WGDown(config));
      const { ll, lh, hl, hh } = dwt2d(x, { wavelet, mode });
      const gate = (t: tf.Tensor4D, gates: tf.Tensor) => tf.mul(t, tf.reshape(gates, [2, 1, 1, t.shape[3]]));
      const gated = gate(tf.concat([ll, lh, hl, hh], 3), down.gates(x)) as tf.Tensor4D;
      const small = await expectTensors(1, () => down.forward(x));
      expect(small.shape).toEqual([2, ...half, 8]);
      await expect(small).toBeAllclose((down.fuse as Conv2d).forward(gated));

      const up = withLargeWeights(new WGUp(config));
      const chunks = tf.split(gate(small, up.gates(small)), 4, 3) as tf.Tensor4D[];
      const large = await expectTensors(1, () => up.forward(small, { size: [5, 8] }));
      const bands = { ll: chunks[0], lh: chunks[1], hl: chunks[2], hh: chunks[3] };
      await expect(large).toBeAllclose(up.fuse.forward(idwt2d(bands, { wavelet, mode, size: [5, 8] })));
      expect(up.forward(small).shape).toEqual([2, 6, 8, 8]);

      const plain = { channels: 8 };
      expect([down.parameterCount, up.parameterCount]).toEqual([
        new WGDown(plain).parameterCount,
        new WGUp(plain).parameterCount,
      ]);
      expect(down.macs(5, 8)).toBe(down.gate.macs() + 32 * 8 * half[0] * half[1]);
      expect(up.macs(half[0], half[1])).toBe(up.gate.macs() + 2 * 8 * 6 * 8);
      await expectTensors(0, () =>
        expectGradient((t) => up.forward(down.forward(t as tf.Tensor4D)), x, { directions: 1 }),
      );
    },
  );

  test('with every wavelet they are the transform between gates and convolution, and have the same parameters', async () => {
    const x = random('x', [1, 6, 4, 4]);
    const [plainDown, plainUp] = [new WGDown({ channels: 4 }), new WGUp({ channels: 4 })];
    const [downState, upState] = [await plainDown.stateDict(), await plainUp.stateDict()];
    const gate = (t: tf.Tensor, gates: tf.Tensor) => tf.mul(t, tf.reshape(gates, [1, 1, 1, t.shape[3]!]));
    for (const wavelet of waveletNames) {
      const down = new WGDown({ channels: 4, wavelet }).loadStateDict(downState);
      const up = new WGUp({ channels: 4, wavelet }).loadStateDict(upState);
      const small = down.forward(x);
      const [expectedSmall, expectedLarge] = tf.tidy(() => {
        const { ll, lh, hl, hh } = dwt2d(x, { wavelet });
        const gated = gate(tf.concat([ll, lh, hl, hh], 3), down.gates(x)) as tf.Tensor4D;
        const chunks = tf.split(gate(small, up.gates(small)), 4, 3) as tf.Tensor4D[];
        const bands = { ll: chunks[0]!, lh: chunks[1]!, hl: chunks[2]!, hh: chunks[3]! };
        return [(down.fuse as Conv2d).forward(gated), up.fuse.forward(idwt2d(bands, { wavelet }))];
      });
      expect(small.shape).toEqual([1, 3, 2, 4]);
      await expect(small, wavelet).toBeAllclose(expectedSmall!);
      const large = up.forward(small);
      expect(large.shape).toEqual([1, 6, 4, 4]);
      await expect(large, wavelet).toBeAllclose(expectedLarge!);
      tf.dispose([small, expectedSmall!, expectedLarge!, large]);
      down.dispose();
      up.dispose();
    }
  });

  test('a gate forced open passes its band alone: WGDown by a sum is then that band', async () => {
    const module = withLargeWeights(new WGDown({ channels: 4, fuse: 'sum', gate: 'band', gateHidden: 1 }));
    module.gate.reduce.weight.assign(tf.fill([4, 1], 10));
    module.gate.expand.weight.assign(tf.tensor2d([-30, 30, -30, -30], [1, 4])); // LH open
    const x = tf.add(tf.mul(random('x', [1, 2, 2, 4]), 0.1), 1) as tf.Tensor4D;
    const [top, bottom] = tf.split(tf.sum(x, 2), 2, 1);
    await expect(module.forward(x)).toBeAllclose(tf.div(tf.sub(top, bottom), 2).reshape([1, 1, 1, 4]));
  });
});

describe('state dict', () => {
  const layout = (module: WGDown | WGUp) =>
    Object.fromEntries([...module.parameters()].map(([name, { torchShape }]) => [name, torchShape]));

  test('of WGDown', () => {
    expect(layout(new WGDown({ channels: 64 }))).toEqual({
      'gate.0.weight': [4, 64],
      'gate.2.weight': [256, 4],
      'fuse.weight': [64, 256, 1, 1],
      'fuse.bias': [64],
    });
    expect(layout(new WGDown({ channels: 64, fuse: 'sum', gate: 'band', gateHidden: 32 }))).toEqual({
      'gate.0.weight': [32, 64],
      'gate.2.weight': [4, 32],
    });
  });
  test('of WGUp', () => {
    const conv = { 'fuse.weight': [64, 16, 1, 1], 'fuse.bias': [64] };
    expect(layout(new WGUp({ channels: 64 }))).toEqual({ 'gate.0.weight': [4, 64], 'gate.2.weight': [64, 4], ...conv });
    expect(layout(new WGUp({ channels: 64, fuse: 'sum', gate: 'band' }))).toEqual({
      'gate.0.weight': [4, 64],
      'gate.2.weight': [4, 4],
      ...conv,
    });
  });
  test('goes there and back', async () => {
    const module = withLargeWeights(new WGDown({ channels: 3 }));
    const copy = new WGDown({ channels: 3 }).loadStateDict(await module.stateDict());
    const x = random('x', [1, 2, 4, 3]);
    await expect(copy.forward(x)).toBeAllclose(module.forward(x), 0);
  });
});

describe('sizes of the SD FFHQ model (64 channels, multipliers 1, 2, 3, 4; three samplers each way, 64x64 inputs)', () => {
  const LITE = { parameters: 22_411_843, macs: 7.85e9 }; // with LDM's resamplers, 3x3 convolutions with bias
  const DOWN = [64, 128, 192].map((channels, i) => ({ channels, input: 64 >> i, outputs: (32 >> i) ** 2 }));
  const UP = [256, 192, 128].map((channels, i) => ({ channels, input: 8 << i, outputs: (16 << i) ** 2 }));

  function sizes(config: (channels: number) => WGConfig) {
    let { parameters, macs } = LITE;
    const exchange = (module: WGDown | WGUp, { channels, input, outputs }: (typeof DOWN)[number]) => {
      parameters += module.parameterCount - (9 * channels ** 2 + channels);
      macs += module.macs(input, input) - 9 * channels ** 2 * outputs;
    };
    for (const level of DOWN) exchange(new WGDown(config(level.channels)), level);
    for (const level of UP) exchange(new WGUp(config(level.channels)), level);
    return { parameters, gmacs: (macs / 1e9).toFixed(2) };
  }

  test('by a 1x1 convolution, 4 hidden units: the published ones, counted without taking memory', async () => {
    const counted = expectTensors(0, () => sizes((channels) => ({ channels })));
    await expect(counted).resolves.toEqual({ parameters: 21_098_051, gmacs: '6.73' });
  });
  test('by the sum, C/2 hidden units', () => {
    const config = (channels: number): WGConfig => ({ channels, fuse: 'sum', gateHidden: channels / 2 });
    expect(sizes(config)).toEqual({ parameters: 21_118_147, gmacs: '6.69' });
  });

  test('multiply-accumulates are those of the linear layers and the 1x1 convolution', () => {
    const c = 64;
    expect(new WGDown({ channels: c }).macs(32, 16)).toBe(4 * c + 4 * 4 * c + 4 * c * c * 16 * 8);
    expect(new WGUp({ channels: c }).macs(32, 16)).toBe(4 * c + 4 * c + (c / 4) * c * 64 * 32);
    expect(new WGDown({ channels: c, gate: 'band', gateHidden: 8 }).macs(32, 16)).toBe(8 * c + 8 * 4 + 4 * c * c * 128);
    expect(new WGDown({ channels: c, fuse: 'sum' }).macs(32, 16)).toBe(4 * c + 4 * 4 * c);
  });
});

describe('wrong arguments are named', () => {
  const zeros = (...shape: [number, number, number, number]) => tf.zeros<tf.Rank.R4>(shape);

  test('of the constructors', () => {
    expect(() => new WGUp({ channels: 6 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp: channels must be divisible by 4, got 6]`,
    );
    expect(() => new WGUp({ channels: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp: channels must be an integer >= 1, got 0]`,
    );
    expect(() => new WGDown({ channels: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGDown: channels must be an integer >= 1, got 1.5]`,
    );
    expect(() => new WGDown({ channels: 8, gateHidden: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WaveletGate: gateHidden must be an integer >= 1, got 0]`,
    );
    expect(() => new WGDown({ channels: 8, fuse: 'mean' as FuseKind })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGDown: fuse must be "conv" or "sum", got "mean"]`,
    );
    expect(() => new WGUp({ channels: 8, fuse: 'mean' as FuseKind })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp: fuse must be "conv" or "sum", got "mean"]`,
    );
    expect(() => new WGUp({ channels: 8, gate: 'pixel' as GateKind })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WaveletGate: gate must be "channel" or "band", got "pixel"]`,
    );
  });
  test('of the transform', () => {
    for (const make of [(config: WGConfig) => new WGDown(config), (config: WGConfig) => new WGUp(config)]) {
      expect(() => make({ channels: 8, wavelet: 'db' as WaveletName })).toThrow(/^WG(Down|Up): wavelet must be one of/);
      expect(() => make({ channels: 8, mode: 'wrap' as ExtensionMode })).toThrow(/^WG(Down|Up): mode must be one of/);
    }
  });
  test('of forward and gates', () => {
    const [down, up] = [new WGDown({ channels: 8 }), new WGUp({ channels: 8 })];
    expect(() => down.forward(zeros(1, 4, 4, 4))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: WGDown: x must be [N, H, W, 8], got [1, 4, 4, 4]]`,
    );
    expect(() => down.forward(zeros(1, 0, 4, 8))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: WGDown: x must be [N, H >= 1, W >= 1, 8], got [1, 0, 4, 8]]`,
    );
    expect(() => down.gates(zeros(1, 3, 0, 8))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: WGDown: x must be [N, H >= 1, W >= 1, 8], got [1, 3, 0, 8]]`,
    );
    expect(() => up.forward(zeros(1, 4, 4, 8), { size: [6, 8] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp: size must be [7 or 8, 7 or 8], got [6, 8]]`,
    );
    expect(() =>
      new WGUp({ channels: 8, wavelet: 'db4', mode: 'zero' }).forward(zeros(1, 3, 4, 8)),
    ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: WGUp: x must be [N, H >= 4, W >= 4, C], got [1, 3, 4, 8]]`);
    expect(() => up.forward(zeros(1, 4, 4, 4))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: WGUp: x must be [N, H, W, 8], got [1, 4, 4, 4]]`,
    );
    expect(() => up.gates(zeros(1, 4, 4, 12))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: WGUp: x must be [N, H, W, 8], got [1, 4, 4, 12]]`,
    );
  });
  test('of macs', () => {
    const [down, up] = [new WGDown({ channels: 8 }), new WGUp({ channels: 8 })];
    expect(() => down.macs(7.5, 8)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGDown.macs: height must be an integer >= 1, got 7.5]`,
    );
    expect(() => down.macs(8, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGDown.macs: width must be an integer >= 1, got 0]`,
    );
    expect(() => up.macs(8, 0.5)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp.macs: width must be an integer >= 1, got 0.5]`,
    );
  });
});
