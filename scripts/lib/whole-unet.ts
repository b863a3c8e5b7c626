import { foldIn, normalArray, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { presets, UNet, type UNetConfig } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';

/**
 * SD's kind, with gated wavelets and attention. Of 64 channels, since groups of single channels would leave the biases before
 * their normalization no influence: gradients of nothing but rounding.
 */
const CONFIG: UNetConfig = {
  ...presets['sd-ffhq'],
  imageSize: 32,
  modelChannels: 64,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
};
const BATCH = 2;
const random = (seed: number, size: number, deviation = 1) =>
  Float32Array.from(normalArray(randomKey(seed), size), (value) => deviation * value);

/** The prediction of one model with random weights, last layers included, and the gradients by all its parameters. */
export async function wholeUNet(): Promise<Map<string, Float32Array>> {
  const model = new UNet(CONFIG);
  for (const [i, [name, parameter]] of [...model.parameters()].entries()) {
    parameter.initialize(foldIn(randomKey(1), name));
    const isZero = (await parameter.read()).every((value) => value === 0); // as last layers and biases begin
    if (isZero) parameter.load(random(100 + i, parameter.size, 0.05));
  }
  const shape: [number, number, number, number] = [BATCH, CONFIG.imageSize, CONFIG.imageSize, CONFIG.inChannels];
  const size = tf.util.sizeFromShape(shape);
  const [x, target] = [2, 3].map((seed) => tf.tensor(random(seed, size), shape)) as [tf.Tensor4D, tf.Tensor4D];
  const output = model.forward(x, [250, 750]);
  const loss = () => tf.mean(tf.squaredDifference(model.forward(x, [250, 750]), target)) as tf.Scalar;
  const { value, gradients } = valueAndGradients(loss, model.parameters());
  const results = new Map<string, Float32Array>();
  for (const [name, tensor] of [['output', output] as const, ...gradients]) {
    results.set(name, (await tensor.data<'float32'>()).slice() as Float32Array);
  }
  tf.dispose([x, target, output, value, ...gradients.values()]);
  model.dispose();
  return results;
}

const peak = (values: Float32Array) => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

/** max|a - b| / max|b| of the prediction, and the largest of a gradient. */
export function farthest(actual: Map<string, Float32Array>, expected: Map<string, Float32Array>) {
  const apart = (name: string, values: Float32Array) => {
    const others = actual.get(name) as Float32Array;
    const most = peak(values.map((value, i) => value - (others[i] as number)));
    return others.some(Number.isNaN) ? Number.POSITIVE_INFINITY : most / peak(values);
  };
  const [worst] = [...expected]
    .filter(([name]) => name !== 'output')
    .map(([name, values]) => ({ name, apart: apart(name, values) }))
    .sort((a, b) => b.apart - a.apart);
  return {
    output: apart('output', expected.get('output') as Float32Array),
    gradient: worst as NonNullable<typeof worst>,
  };
}
