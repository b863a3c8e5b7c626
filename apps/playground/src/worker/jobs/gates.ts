import { randomKey } from '@sd/core';
import type { UNetForwardOptions } from '@sd/unet';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Band, GateFrame, GateSettings, GateValues } from '../../protocol';
import { seededDraws } from '../../trainer';
import { UserError } from '../../user-error';
import { decode, encodePrompt, labelOptions, type Pipeline } from '../pipeline';
import { sheetOf } from '../sheet';

const BANDS: readonly Band[] = ['ll', 'lh', 'hl', 'hh'];
const SHOWN = 4;

/**
 * The paper's Figure 9: what every wavelet gate lets pass while samples are drawn, step by step; of the first class, or of
 * the empty prompt, where the model takes one.
 * @throws {UserError} for a model without gates.
 */
export async function gates(
  pipeline: Pipeline,
  { samples, steps, seed }: GateSettings,
  onFrame: (frame: GateFrame) => void,
  signal: AbortSignal,
): Promise<void> {
  const { unet, scheduler, condition } = pipeline;
  if (unet.config.resample !== 'wavelet') {
    throw new UserError(`${pipeline.label} has no wavelet gates; SD, and models with resample: 'wavelet', have`);
  }
  const { imageSize, inChannels } = unet.config;
  const draws = seededDraws(randomKey(seed));
  const draw = (name: 'start' | number) => draws(name, 0, samples, [imageSize, imageSize, inChannels]);
  const x = tf.tidy(() => tf.mul(draw('start'), scheduler.initNoiseSigma(steps)) as Tensor4D);
  let values: readonly GateValues[] = [];
  const context = condition.kind === 'text' ? encodePrompt(condition.encoder, '') : null; // [1, tokens, width]
  const options = (count: number): UNetForwardOptions => {
    if (context !== null) return { context: tf.tile(context, [count, 1, 1]) };
    return condition.kind === 'labels' || condition.kind === 'classes'
      ? labelOptions(condition, new Array<number>(count).fill(0))
      : {};
  };
  try {
    const latents = await scheduler.sample(
      async (input, t) => {
        const { output, gates: found } = tf.tidy(() => unet.forwardWithGates(input, t, options(input.shape[0])));
        try {
          values = await Promise.all(
            Object.entries(found).map(([module, gate]) => summarized(module, gate, input.shape[0])),
          );
          return output;
        } catch (error) {
          output.dispose();
          throw error;
        } finally {
          tf.dispose(found);
        }
      },
      x,
      {
        steps,
        noise: draw,
        signal,
        onStep: async ({ step, steps: total, t, predictedX0 }) => {
          const images = tf.tidy(() => {
            const shown = Math.min(SHOWN, samples);
            return decode(pipeline, tf.slice(predictedX0, 0, shown));
          });
          onFrame({ t, step, steps: total, modules: values, predicted: await sheetOf(images, SHOWN) });
          images.dispose();
        },
      },
    );
    latents.dispose();
  } finally {
    tf.dispose([x, ...(context ? [context] : [])]);
  }
}

/** @param gate `[N, 4, C]`, or `[N, 4]`. Borrowed. */
async function summarized(module: string, gate: Tensor, samples: number): Promise<GateValues> {
  const perSample = tf.tidy(() => tf.mean(tf.reshape(gate, [samples, BANDS.length, -1]), 2)); // [N, 4]
  const values = await perSample.data();
  perSample.dispose();
  const bands = BANDS.map((band, b) => {
    const own = Array.from({ length: samples }, (_, i) => values[i * BANDS.length + b]);
    const mean = own.reduce((sum, value) => sum + value, 0) / samples;
    const variance = own.reduce((sum, value) => sum + (value - mean) ** 2, 0) / samples;
    return [band, { mean, deviation: Math.sqrt(variance) }] as const;
  });
  return {
    module,
    direction: module.startsWith('input_blocks') ? 'down' : 'up',
    bands: Object.fromEntries(bands) as GateValues['bands'],
  };
}
