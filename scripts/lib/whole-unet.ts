import { foldIn, normalArray, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { presets, UNet, type UNetConfig } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';

/** SD's kind, with gated wavelets and attention. */
const CONFIG: UNetConfig = {
  ...presets['sd-ffhq'],
  imageSize: 32,
  modelChannels: 32,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
};
const BATCH = 2;
/** Gradients below this part of the model's largest are compared with that part of it: see `farthest`. */
const LEAST = 1e-3;

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

/**
 * The largest max|a - b| / max|b| of the prediction and of a gradient. Some gradients are zero but for rounding (a bias
 * before a normalization of single channels has no influence): none counts as smaller than a thousandth of the largest.
 */
export function farthest(actual: Map<string, Float32Array>, expected: Map<string, Float32Array>) {
  const gradients = [...expected].filter(([name]) => name !== 'output');
  const floor = LEAST * Math.max(...gradients.map(([, values]) => peak(values)));
  const apart = (name: string, values: Float32Array, least: number) => {
    const others = actual.get(name) as Float32Array;
    const most = peak(values.map((value, i) => value - (others[i] as number)));
    return others.some(Number.isNaN) ? Number.POSITIVE_INFINITY : most / Math.max(peak(values), least);
  };
  const [worst] = gradients
    .map(([name, values]) => ({ name, apart: apart(name, values, floor) }))
    .sort((a, b) => b.apart - a.apart);
  return {
    output: apart('output', expected.get('output') as Float32Array, 0),
    gradient: worst as NonNullable<typeof worst>,
  };
}
