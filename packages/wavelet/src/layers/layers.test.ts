import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { afterEach, describe, expect, test } from 'vitest';
import { dwt2d } from '../dwt2d';
import type { ExtensionMode } from '../wavelet';
import type { WaveletName } from '../wavelet-name';
import { WGDown as WGDownModule } from '../wg-down';
import { WGUp as WGUpModule } from '../wg-up';
import { DWT, IDWT, registerWaveletLayers, WGDown, WGUp } from './index';

const random = (shape: [number, number, number, number], seed: number) =>
  tf.randomNormal<tf.Rank.R4>(shape, 0, 1, 'float32', seed);

/** Odd sizes, every layer, another wavelet in each. */
function everyLayer(): tfl.Sequential {
  return tfl.sequential({
    layers: [
      new WGDown({ inputShape: [7, 10, 4], wavelet: 'sym4', mode: 'periodization', seed: 1, name: 'down' }),
      new DWT({ wavelet: 'bior2.2', mode: 'symmetric' }),
      new IDWT({ wavelet: 'bior2.2', mode: 'symmetric', size: [4, 5] }),
      new WGUp({ wavelet: 'db3', gate: 'band', gateHidden: 2, size: [7, 10], seed: 2 }),
    ],
  });
}

async function savedAndLoaded(model: tfl.LayersModel): Promise<tfl.LayersModel> {
  let artifacts: tf.io.ModelArtifacts | undefined;
  await model.save(
    tf.io.withSaveHandler(async (saved) => {
      artifacts = JSON.parse(JSON.stringify({ ...saved, weightData: undefined })) as tf.io.ModelArtifacts; // as on disk
      artifacts.weightData = saved.weightData;
      return { modelArtifactsInfo: { dateSaved: new Date(0), modelTopologyType: 'JSON' } };
    }),
  );
  return tfl.loadLayersModel(tf.io.fromMemory(artifacts as tf.io.ModelArtifacts));
}

afterEach(() => tf.disposeVariables());

describeBackends(['cpu', 'wasm'], () => {
  test('a model with every layer saves and loads: same output, same configuration, same weight names', async () => {
    const model = everyLayer();
    const x = random([2, 7, 10, 4], 3);
    const y = model.predict(x) as tf.Tensor;
    expect(model.layers.map(({ outputShape }) => outputShape)).toEqual([
      [null, 4, 5, 4],
      [null, 4, 5, 16],
      [null, 4, 5, 4],
      [null, 7, 10, 4],
    ]);
    const loaded = await savedAndLoaded(model);
    await expect(loaded.predict(x) as tf.Tensor).toBeAllclose(y, 0);
    expect(loaded.layers.map((layer) => layer.getConfig())).toEqual(model.layers.map((layer) => layer.getConfig()));
    expect(loaded.layers[0]).toBeInstanceOf(WGDown);
    const names = ['gate.0.weight', 'gate.2.weight', 'fuse.weight', 'fuse.bias'];
    for (const i of [0, 3]) {
      expect(loaded.layers[i].weights.map(({ originalName }) => originalName.split('/').at(-1))).toEqual(names);
    }
  });

  test('WGDown and WGUp are the modules of the same names with the same weights', async () => {
    const x = random([2, 6, 8, 8], 4);
    for (const options of [
      {},
      { wavelet: 'db2' },
      { fuse: 'sum', gate: 'band', gateHidden: 3, wavelet: 'coif1', mode: 'zero' },
    ] as const) {
      for (const [layer, module] of [
        [new WGDown(options), new WGDownModule({ channels: 8, ...options })],
        [new WGUp(options), new WGUpModule({ channels: 8, ...options })],
      ] as const) {
        layer.build([null, 6, 8, 8]);
        expect(layer.countParams()).toBe(module.parameterCount);
        for (const [i, parameter] of [...module.parameters().values()].entries()) {
          expect(layer.weights[i].shape).toEqual(parameter.shape);
          parameter.assign(layer.weights[i].read());
        }
        const y = await expectTensors(1, () => layer.call(x));
        await expect(y).toBeAllclose(module.forward(x));
        expect(y.shape).toEqual([2, ...(layer.computeOutputShape([null, 6, 8, 8]) as number[]).slice(1)]);
        await expect(await expectTensors(1, () => layer.gates(x))).toBeAllclose(module.gates(x));
      }
    }
  });

  test('DWT gives the bands along the channels, and IDWT takes them back', async () => {
    const x = random([2, 5, 6, 3], 5);
    const options = { wavelet: 'sym3', mode: 'reflect' } as const;
    const { ll, lh, hl, hh } = dwt2d(x, options);
    const y = (await expectTensors(1, () => new DWT(options).call(x))) as tf.Tensor;
    await expect(y).toBeAllclose(tf.concat([ll, lh, hl, hh], 3), 0);
    await expect(new IDWT({ ...options, size: [5, 6] }).call(y) as tf.Tensor).toBeAllclose(x);
    expect(new IDWT(options).computeOutputShape([null, null, 5, 12])).toEqual([null, null, 6, 3]);
    expect(new DWT(options).computeOutputShape([null, null, 6, 3])).toEqual([null, null, 5, 12]);
  });

  test('a model learns through every layer, each weight moving, and leaves no tensors', async () => {
    const model = everyLayer();
    const [x, target] = [random([4, 7, 10, 4], 6), tf.mul(random([4, 7, 10, 4], 6), 0.5)];
    model.compile({ optimizer: tf.train.adam(0.02), loss: 'meanSquaredError' });
    const before = model.getWeights().map((weight) => tf.clone(weight));
    const fit = () => model.fit(x, target, { epochs: 15, batchSize: 4, shuffle: false, verbose: 0 });
    const first = await fit(); // makes the optimiser's slots, too
    const second = await expectTensors(0, fit);
    const [from, to] = [first.history.loss[0] as number, second.history.loss.at(-1) as number];
    expect(to).toBeLessThan(0.8 * from);
    for (const [i, weight] of model.getWeights().entries()) {
      const moved = await tf.max(tf.abs(tf.sub(weight, before[i]))).data();
      expect(moved[0]).toBeGreaterThan(1e-4);
    }
  });
});

describe('serialisation', () => {
  test('class names are registered, and configurations are plain JSON', () => {
    registerWaveletLayers();
    const { classNameMap } = tf.serialization.SerializationMap.getMap();
    for (const layer of [DWT, IDWT, WGDown, WGUp]) {
      expect(classNameMap[layer.className][0]).toBe(layer);
      const config = new layer({ wavelet: 'db4', name: 'a' }).getConfig();
      expect(JSON.parse(JSON.stringify(config))).toEqual(config);
      expect(layer.fromConfig(layer as never, config).getConfig()).toEqual(config);
    }
    expect(new WGUp({ name: 'up', size: [4, 5], seed: 7 }).getConfig()).toMatchInlineSnapshot(`
      {
        "fuse": "conv",
        "gate": "channel",
        "gateHidden": 4,
        "mode": "periodization",
        "name": "up",
        "seed": 7,
        "size": [
          4,
          5,
        ],
        "trainable": true,
        "wavelet": "haar",
      }
    `);
  });
});

describe('wrong arguments are named', () => {
  test('of the options', () => {
    expect(() => new DWT({ wavelet: 'bior9.9' as WaveletName })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: DWT: wavelet must be one of waveletNames, such as "bior3.9", "bior1.1", "bior1.3", got "bior9.9"]`,
    );
    expect(() => new IDWT({ mode: 'wrap' as ExtensionMode })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: IDWT: mode must be one of "periodization", "zero", "symmetric", "reflect", got "wrap"]`,
    );
    expect(() => new WGDown({ gateHidden: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WaveletGate: gateHidden must be an integer >= 1, got 0]`,
    );
    expect(() => new WGUp({ gate: 'pixel' as 'band' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WaveletGate: gate must be "channel" or "band", got "pixel"]`,
    );
    expect(() => new WGDown({ fuse: 'mean' as 'sum' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGDown: fuse must be "conv" or "sum", got "mean"]`,
    );
  });
  test('of the input', () => {
    expect(() => new DWT().computeOutputShape([null, 8, 8])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: DWT: input must be [N, H, W, C] with known C, got [null, 8, 8]]`,
    );
    expect(() => new IDWT().computeOutputShape([null, 8, 8, 6])).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: IDWT: input must be [N, H, W, 4C], got [null, 8, 8, 6]]`,
    );
    expect(() => new WGUp().build([null, 8, 8, 6])).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: WGUp: channels must be divisible by 4, got 6]`,
    );
    expect(() => new IDWT({ size: [3, 9] }).call(tf.zeros([1, 2, 4, 4]))).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: IDWT: size must be [3 or 4, 7 or 8], got [3, 9]]`,
    );
    expect(() =>
      new IDWT({ wavelet: 'db4', mode: 'zero' }).call(tf.zeros([1, 2, 4, 4])),
    ).toThrowErrorMatchingInlineSnapshot(`[ShapeError: IDWT: input must be [N, H >= 4, W >= 4, C], got [1, 2, 4, 4]]`);
  });
});
