import { normal, randomKey, uniformArray } from '@sd/core';
import { describeBackends } from '@sd/testing';
import { UNet, type UNetConfig } from '@sd/unet';
import { expect, test } from 'vitest';
import { runOnnx } from './run-onnx';
import { unetGraph } from './unet-graph';
import { channelsFirst, relativeDifference, verifyUNet } from './verify-unet';

const base: UNetConfig = {
  imageSize: 8,
  inChannels: 3,
  outChannels: 3,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 2,
};

/** Everything that a UNet can have, small. */
const forms: Readonly<Record<string, Partial<UNetConfig>>> = {
  vanilla: {},
  'wavelet-gated': { resample: 'wavelet' },
  'wavelet-gated, the published sum': {
    resample: 'wavelet',
    wavelet: { fuse: 'sum', gate: 'band', gateHidden: 'half' },
  },
  'wavelet-gated residual blocks': { resample: 'wavelet', resblockUpdown: true, useScaleShiftNorm: true },
  'residual blocks that change the size': { resblockUpdown: true, useScaleShiftNorm: true, channelMult: [1, 2, 2] },
  'text condition': { useSpatialTransformer: true, contextDim: 6, contextLength: 5, transformerDepth: 2 },
  'text condition, linear projections': {
    useSpatialTransformer: true,
    contextDim: 6,
    contextLength: 5,
    useLinearProjection: true,
    onlyCrossAttention: true,
  },
  classes: { numClasses: 7, numHeadChannels: 4 },
  'odd and otherwise': {
    modelChannels: 9,
    channelMult: [1, 2],
    numHeads: 1,
    flipSinToCos: false,
    freqShift: 1,
    centerInput: true,
    downsamplePadding: 0,
    middleScale: 2,
    normGroups: 3,
  },
};

/** Zero-initialised layers would hide what comes before them. */
function shaken(config: UNetConfig): UNet {
  const unet = new UNet(config).initialize(randomKey(1));
  let i = 0;
  for (const parameter of unet.parameters().values()) {
    const values = uniformArray(randomKey(++i), parameter.size);
    parameter.load(
      Float32Array.from(values, (value) => 0.4 * (value - 0.5) + (parameter.shape.length === 1 ? 0.5 : 0)),
    );
  }
  return unet;
}

describeBackends(['wasm'], () => {
  test.each(Object.entries(forms))(
    '%s: ONNX Runtime gives what the model gives, gates included',
    async (_, changes) => {
      const unet = shaken({ ...base, ...changes });
      const graph = unetGraph(unet.config, await unet.stateDict(), { gates: true });
      const check = await verifyUNet(graph.model({}), unet, 3);
      const { gates } = { gates: unet.config.resample === 'wavelet' };
      expect(check?.outputs[0]).toBe('out_sample');
      expect((check?.outputs.length ?? 0) > 1).toBe(gates);
      expect(check?.relativeError).toBeLessThan(1e-4);
      unet.dispose();
    },
  );

  test('other sizes and batches run on the same file, and weights as float16 come close', async () => {
    const unet = shaken({ ...base, resample: 'wavelet' });
    const state = await unet.stateDict();
    const x = normal(randomKey(5), [1, 12, 16, 3]) as Parameters<UNet['forward']>[0];
    const own = unet.forward(x, 17);
    const expected = await channelsFirst(own);
    const inputs = { sample: await channelsFirst(x), timestep: { data: Float32Array.of(17), shape: [1] } };
    const whole = unetGraph(unet.config, state).model({});
    const half = unetGraph(unet.config, state, { precision: 'float16' }).model({});
    const error = async (file: Uint8Array) => {
      const output = (await runOnnx(file, inputs))?.get('out_sample');
      expect(output?.shape).toEqual([1, 3, 12, 16]);
      return relativeDifference(output?.data ?? new Float32Array(), expected.data as Float32Array);
    };
    expect(await error(whole)).toBeLessThan(1e-4);
    const rounding = await error(half);
    expect(rounding).toBeGreaterThan(1e-6); // it is rounded
    expect(rounding).toBeLessThan(1e-2);
    expect(half.length).toBeLessThan(0.75 * whole.length);
    x.dispose();
    own.dispose();
    unet.dispose();
  });

  test('what has no form in ONNX here is refused by name', async () => {
    const refused = (config: UNetConfig) => () => unetGraph(new UNet(config).config, new Map());
    expect(refused({ ...base, resample: 'wavelet', wavelet: { wavelet: 'db2' } })).toThrowErrorMatchingInlineSnapshot(
      `[UserError: export: ONNX of wavelet db2 is not supported, of haar alone]`,
    );
    expect(refused({ ...base, classEmbedding: 'timestep' })).toThrowErrorMatchingInlineSnapshot(
      `[UserError: export: ONNX of class embedding 'timestep' is not supported, of 'index' alone]`,
    );
  });

  test('a model that ONNX Runtime cannot run says so', async () => {
    await expect(runOnnx(Uint8Array.of(1, 2, 3), {})).rejects.toThrowErrorMatchingInlineSnapshot(
      `[UserError: export: ONNX Runtime does not run the model: Failed to load model because protobuf parsing failed.]`,
    );
  });
});

test('a graph that a protobuf file cannot hold is refused, with what helps', async () => {
  const { OnnxGraph } = await import('./onnx-graph');
  const graph = new OnnxGraph('large');
  const view = { dtype: 'F32' as const, shape: [2 ** 27], data: new Uint8Array(2 ** 29) };
  for (let i = 0; i < 4; i++) graph.weight(`w${i}`, view); // the same bytes: nothing is copied
  expect(() => graph.model({})).toThrowErrorMatchingInlineSnapshot(
    `[UserError: export: large takes 2.0 GiB as ONNX, more than the 2 GiB of a protobuf file: --half halves it]`,
  );
});
