import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { applyGates } from './apply-gates';
import { globalAveragePool } from './global-average-pool';
import { type GateKind, WaveletGate } from './wavelet-gate';

const random = (shape: number[], seed: number) => tf.randomNormal(shape, 0, 1, 'float32', seed);

describeBackends(['cpu', 'wasm'], () => {
  test('the gates are sigmoid(W2 silu(W0 mean(x))), computed by hand', async () => {
    const gate = new WaveletGate({ channels: 2, bandChannels: 1, gateHidden: 1 });
    gate.loadStateDict(
      new Map([
        ['0.weight', { dtype: 'F32', shape: [1, 2], data: new Uint8Array(Float32Array.of(2, -1).buffer) }],
        ['2.weight', { dtype: 'F32', shape: [4, 1], data: new Uint8Array(Float32Array.of(1, 0, -1, 3).buffer) }],
      ]),
    );
    const x = tf.tensor4d([1, 0, 3, 2], [1, 1, 2, 2]); // means 2 and 1, so the hidden unit has 3
    const hidden = 3 / (1 + Math.exp(-3));
    const gates = await expectTensors(1, () => gate.forward(x));
    await expect(gates).toBeAllclose([[1, 0, -1, 3].map((w) => [1 / (1 + Math.exp(-w * hidden))])]);
    expect([gate.parameterCount, gate.macs()]).toEqual([6, 6]);
  });

  test('globalAveragePool is the mean over pixels, in value and gradient', async () => {
    const x = random([2, 3, 5, 4], 1) as tf.Tensor4D;
    await expect(await expectTensors(1, () => globalAveragePool(x))).toBeAllclose(tf.mean(x, [1, 2]));
    await expectTensors(0, () => expectGradient((t) => tf.square(globalAveragePool(t as tf.Tensor4D)), x));
  });

  test('applyGates multiplies each band by its gates, per channel or as a whole', async () => {
    const packed = random([2, 3, 5, 8], 2) as tf.Tensor4D; // 4 bands of 2 channels
    for (const perBand of [2, 1]) {
      const gates = random([2, 4, perBand], 3) as tf.Tensor3D;
      const bands = tf.mul(packed.reshape([2, 3, 5, 4, 2]), gates.reshape([2, 1, 1, 4, perBand]));
      const y = await expectTensors(1, () => applyGates(packed, gates));
      await expect(y).toBeAllclose(bands.reshape([2, 3, 5, 8]), 1e-6);
      await expectTensors(0, () =>
        expectGradient((x, g) => applyGates(x as tf.Tensor4D, g as tf.Tensor3D), [packed, gates]),
      );
    }
  });
});

test('wrong arguments are named', () => {
  const config = { channels: 8, bandChannels: 2 };
  expect(() => new WaveletGate({ ...config, channels: 0 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: WaveletGate: channels must be an integer >= 1, got 0]`,
  );
  expect(() => new WaveletGate({ ...config, bandChannels: 0.5 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: WaveletGate: bandChannels must be an integer >= 1, got 0.5]`,
  );
  expect(() => new WaveletGate({ ...config, gateHidden: -1 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: WaveletGate: gateHidden must be an integer >= 1, got -1]`,
  );
  expect(() => new WaveletGate({ ...config, gate: 'pixel' as GateKind })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: WaveletGate: gate must be "channel" or "band", got "pixel"]`,
  );
  expect(() => new WaveletGate(config).forward(tf.zeros([1, 2, 2, 4]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: WaveletGate: x must be [N, H, W, 8], got [1, 2, 2, 4]]`,
  );
});
