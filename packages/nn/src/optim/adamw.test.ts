import { float32View, readSafetensors, toFloat32, toInt32, writeSafetensors } from '@sd/checkpoint';
import { describeBackends, expectTensors } from '@sd/testing';
import type { Scalar, Tensor } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { valueAndGradients } from '../gradients';
import { zeros } from '../init';
import { Linear } from '../linear';
import { Module } from '../module';
import { goldenTensor, goldenView, noise, randomized } from '../test-values';
import { AdamW, type AdamWConfig } from './adamw';
import { clipFactor, globalNorm } from './clip';
import { ExponentialMovingAverage } from './ema';
import { linearDecay } from './learning-rate';

type Average = ExponentialMovingAverage;

class Pair extends Module {
  readonly w = this.param('w', [4, 3], zeros);
  readonly b = this.param('b', [3], zeros);
}

function goldenPair(): Pair {
  const pair = new Pair();
  pair.w.load(toFloat32(goldenView('adamw/w0')));
  pair.b.load(toFloat32(goldenView('adamw/b0')));
  return pair;
}

/** One value's steps in float64; a missing gradient leaves everything as it is. */
function plain(start: number, gradients: readonly (number | null)[], config: Required<AdamWConfig>): number {
  const { learningRate, betas, eps, weightDecay } = config;
  let [p, m, v, k] = [start, 0, 0, 0];
  for (const g of gradients) {
    if (g === null) continue;
    k++;
    p -= learningRate * weightDecay * p;
    m = betas[0] * m + (1 - betas[0]) * g;
    v = betas[1] * v + (1 - betas[1]) * g * g;
    p -= (learningRate * (m / (1 - betas[0] ** k))) / (Math.sqrt(v / (1 - betas[1] ** k)) + eps);
  }
  return p;
}

describeBackends(['cpu', 'wasm', 'webgpu'], () => {
  test("ten clipped and decayed steps are torch.optim.AdamW's", async () => {
    const pair = goldenPair();
    const optimizer = new AdamW(pair.parameters(), { weightDecay: 1e-2 });
    const schedule = linearDecay(1e-2, 10);
    for (let k = 0; k < 10; k++) {
      const at = `adamw/step${k}`;
      const gradients = new Map([
        ['w', goldenTensor(`${at}/gw`)],
        ['b', goldenTensor(`${at}/gb`)],
      ]);
      const norm = globalNorm(gradients.values());
      await expect(norm).toBeAllclose(toFloat32(goldenView(`${at}/grad_norm`)));
      const gradientScale = clipFactor(norm, 1);
      await expectTensors(0, () => optimizer.update(gradients, { learningRate: schedule(k), gradientScale }));
      expect(optimizer.step).toBe(k + 1);
      await expect(pair.w.value).toBeAllclose(goldenTensor(`${at}/w`));
      await expect(pair.b.value).toBeAllclose(goldenTensor(`${at}/b`));
    }
  });
});

describeBackends(['cpu', 'wasm'], () => {
  test('clippedUpdate is globalNorm, clipFactor and update, and the update of an average', async () => {
    const run = async (step: (optimizer: AdamW, gradients: Map<string, Tensor>, average: Average) => Scalar) => {
      const pair = goldenPair();
      const [optimizer, average] = [new AdamW(pair.parameters()), new ExponentialMovingAverage(pair.parameters())];
      const norms: number[] = [];
      for (let k = 0; k < 3; k++) {
        const gradients = new Map<string, Tensor>([
          ['w', noise(k, [4, 3])],
          ['b', noise(9 + k, [3])],
        ]);
        const norm = await expectTensors(1, () => step(optimizer, gradients, average));
        norms.push((await norm.data())[0]);
        norm.dispose();
      }
      return [norms, await pair.stateDict(), await optimizer.stateDict(), await average.stateDict()];
    };
    const expected = await run((optimizer, gradients, average) => {
      const norm = globalNorm(gradients.values());
      const gradientScale = clipFactor(norm, 0.5);
      optimizer.update(gradients, { learningRate: 0.1, gradientScale });
      gradientScale.dispose();
      average.update();
      return norm;
    });
    const actual = await run((optimizer, gradients, average) =>
      optimizer.clippedUpdate(gradients, { maxNorm: 0.5, learningRate: 0.1, average }),
    );
    expect(actual).toEqual(expected);
    const empty = new AdamW(goldenPair().parameters()).clippedUpdate(new Map(), { maxNorm: 1 });
    await expect(empty).toBeAllclose([0]);
  });

  test('every part of the configuration counts as in the formula', async () => {
    const config = { learningRate: 0.05, betas: [0.5, 0.7], eps: 0.3, weightDecay: 0.4 } as const;
    const pair = goldenPair();
    const start = await pair.b.read().then((values) => values.slice());
    const optimizer = new AdamW(pair.parameters(), config);
    const steps = [
      [1, -2, 0.5],
      [0.25, 3, 0],
      [-1, 1, 2],
    ];
    for (const gradient of steps) optimizer.update(new Map([['b', tf.tensor1d(gradient)]]));
    const expected = Array.from(start, (p, i) =>
      plain(
        p,
        steps.map((gradient) => gradient[i]),
        config,
      ),
    );
    await expect(pair.b.value).toBeAllclose(expected);
  });

  test('parameters without a gradient are left alone, and start later as if they were new', async () => {
    const config = { learningRate: 0.01, betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.1 } as const;
    const pair = goldenPair();
    const [w0, b0] = [(await pair.w.read()).slice(), (await pair.b.read()).slice()];
    const optimizer = new AdamW(pair.parameters(), config);
    const gw = tf.ones([4, 3]);
    for (let k = 0; k < 5; k++) optimizer.update(new Map([['w', gw]]));
    expect(await pair.b.read()).toEqual(b0);
    optimizer.update(new Map([['b', tf.tensor1d([1, -2, 3])]]));
    const expectedW = Array.from(w0, (p) => plain(p, [1, 1, 1, 1, 1, null], config));
    const expectedB = Array.from(b0, (p, i) => plain(p, [null, [1, -2, 3][i]], config));
    await expect(tf.reshape(pair.w.value as Tensor, [-1])).toBeAllclose(expectedW);
    await expect(pair.b.value).toBeAllclose(expectedB);
    expect(optimizer.step).toBe(6);
  });

  test('a saved optimizer continues to the same bits, where parameters have had fewer gradients too', async () => {
    const run = async (stop: number | undefined) => {
      const pair = goldenPair();
      let optimizer = new AdamW(pair.parameters());
      for (let k = 0; k < 6; k++) {
        if (k === stop) {
          const saved = readSafetensors(writeSafetensors(await optimizer.stateDict())).tensors;
          optimizer.dispose();
          optimizer = new AdamW(pair.parameters());
          await expectTensors(0, () => optimizer.loadStateDict(saved));
          expect(optimizer.step).toBe(k);
        }
        const gradients = new Map<string, Tensor>([['w', noise(k, [4, 3])]]);
        if (k % 2 === 1) gradients.set('b', noise(100 + k, [3]));
        optimizer.update(gradients);
      }
      return { parameters: await pair.stateDict(), state: await optimizer.stateDict() };
    };
    const whole = await run(undefined);
    expect(await run(3)).toEqual(whole);
    expect([...whole.state.keys()]).toEqual([
      'step',
      'step.b',
      'exp_avg.w',
      'exp_avg.b',
      'exp_avg_sq.w',
      'exp_avg_sq.b',
    ]);
    expect([toInt32(whole.state.get('step')!)[0], toInt32(whole.state.get('step.b')!)[0]]).toEqual([6, 3]);
  });

  test("the state has PyTorch's layouts", async () => {
    const layer = randomized(new Linear({ inFeatures: 2, outFeatures: 3 }));
    const optimizer = new AdamW(layer.parameters(), { betas: [0.5, 0.5] });
    const gradient = tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]); // in memory [in, out]
    optimizer.update(new Map([['weight', gradient]]));
    const view = (await optimizer.stateDict()).get('exp_avg.weight')!;
    expect(view.shape).toEqual([3, 2]);
    expect(toFloat32(view)).toBeAllclose([0.5, 2, 1, 2.5, 1.5, 3]);
  });

  test('training by gradients goes down hill and leaks nothing', async () => {
    const layer = randomized(new Linear({ inFeatures: 3, outFeatures: 2 }));
    const optimizer = new AdamW(layer.parameters(), { learningRate: 0.05, weightDecay: 0 });
    const [x, target] = [noise(1, [8, 3]), noise(2, [8, 2], 0.1)];
    const loss = () => tf.mean(tf.squaredDifference(layer.forward(x), target)) as Scalar;
    const step = async () => {
      const { value, gradients } = valueAndGradients(loss, layer.parameters());
      optimizer.update(gradients);
      tf.dispose([...gradients.values()]);
      const [result] = await value.data();
      value.dispose();
      return result;
    };
    const first = await step();
    let last = first;
    await expectTensors(0, async () => {
      for (let k = 0; k < 60; k++) last = await step();
    });
    expect(last).toBeLessThan(0.2 * first);
  });

  test('the optimizer holds two tensors per parameter, inside tf.tidy too, and dispose frees them alone', async () => {
    const pair = goldenPair();
    const optimizer = await expectTensors(4, () => {
      let made: AdamW | undefined;
      tf.tidy(() => {
        made = new AdamW(pair.parameters());
      });
      return made as AdamW;
    });
    const gradient = tf.ones([3]);
    await expectTensors(0, () => tf.tidy(() => optimizer.update(new Map([['b', gradient]]))));
    await expectTensors(0, () => optimizer.update(new Map([['b', gradient]])));
    await expectTensors(-4, () => optimizer.dispose());
    expect((await pair.b.read()).every(Number.isFinite)).toBe(true);
  });
});

describe('errors', () => {
  const create = (config: AdamWConfig) => () => new AdamW(new Pair().parameters(), config);

  test('of the configuration', () => {
    expect(create({ learningRate: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW: learningRate must be a number in [0, 1.7976931348623157e+308], got -1]`,
    );
    expect(create({ betas: [1, 0.9] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW: betas[0] must be a number in [0, 0.9999999999999998], got 1]`,
    );
    expect(create({ betas: [0.9, -0.1] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW: betas[1] must be a number in [0, 0.9999999999999998], got -0.1]`,
    );
    expect(create({ eps: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW: eps must be a number in [0, 1.7976931348623157e+308], got NaN]`,
    );
    expect(create({ weightDecay: -0.1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW: weightDecay must be a number in [0, 1.7976931348623157e+308], got -0.1]`,
    );
  });

  test('of gradients, before anything is changed', async () => {
    const pair = goldenPair();
    const before = await pair.stateDict();
    const optimizer = new AdamW(pair.parameters());
    const good: [string, Tensor] = ['w', tf.ones([4, 3])];
    const unknown = new Map([good, ['c', tf.ones([3])]]);
    expect(() => optimizer.update(unknown)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW.update: gradients must be of known parameters, got "c"]`,
    );
    const broadcast = new Map([good, ['b', tf.ones([1])]]);
    expect(() => optimizer.update(broadcast)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: AdamW.update: gradient of b must be [3], got [1]]`,
    );
    expect(() => optimizer.clippedUpdate(unknown, { maxNorm: 1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW.clippedUpdate: gradients must be of known parameters, got "c"]`,
    );
    expect(() => optimizer.clippedUpdate(new Map([good]), { maxNorm: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: AdamW.clippedUpdate: maxNorm must be a number > 0, got 0]`,
    );
    expect(optimizer.step).toBe(0);
    expect(await pair.stateDict()).toEqual(before);
  });

  test('of a state that does not fit, with all its faults, before anything is loaded', async () => {
    const optimizer = new AdamW(goldenPair().parameters());
    optimizer.update(new Map([['w', tf.ones([4, 3])]]));
    const before = await optimizer.stateDict();
    const wrong = new Map(before);
    wrong.delete('step');
    wrong.delete('exp_avg.b');
    wrong.set('exp_avg_sq.w', float32View(new Float32Array(12), [3, 4]));
    expect(() => optimizer.loadStateDict(wrong)).toThrowErrorMatchingInlineSnapshot(
      `[SpectralDiffusionError: AdamW.loadStateDict: missing or of another shape: step [1], exp_avg.b [3], exp_avg_sq.w [4, 3]]`,
    );
    expect(await optimizer.stateDict()).toEqual(before);
  });
});
