import { foldIn, letEventsIn, normal, type RandomKey, randomKey, uniformArray } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { ddimScheduler } from '@sd/schedulers';
import type { Scalar, Tensor2D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { ToyFrame, ToyModel, ToySettings } from '../../protocol';
import { ToyDenoiser } from './toy-denoiser';

/** The signal is cos(a 2 pi x), and a is 3 with probability 0.2, else 5. Yang et al. 2023, Example 1 (Figure 4). */
export const RARE = { frequency: 3, probability: 0.2 } as const;
export const COMMON = { frequency: 5, probability: 0.8 } as const;
export const WIDTHS: readonly number[] = [64, 1024];

const POINTS = 64;
const BATCH = 128;
const LEARNING_RATE = 1e-3;
const SAMPLING_STEPS = 50;
const FRAMES = 10;
const LEAST_STEPS_A_FRAME = 50;
const EXAMPLES = 3;

const SCHEDULER = ddimScheduler({ clipSample: false });

type Trained = { readonly width: number; readonly model: ToyDenoiser; readonly optimizer: AdamW; loss: number };

/** Trains both widths on the same signals and the same noise, and samples from both on the way. */
export async function toy(
  { steps, seed, samples }: ToySettings,
  onFrame: (frame: ToyFrame) => void,
  onStep: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<ToyFrame> {
  await import('@tensorflow/tfjs'); // brings the gradients; nothing else of the page needs them
  const key = randomKey(seed);
  const trained = WIDTHS.map((width): Trained => {
    const model = new ToyDenoiser(POINTS, width).initialize(foldIn(key, `width ${width}`));
    return {
      width,
      model,
      optimizer: new AdamW(model.parameters(), { learningRate: LEARNING_RATE, weightDecay: 0 }),
      loss: 0,
    };
  });
  const every = Math.max(LEAST_STEPS_A_FRAME, Math.ceil(steps / FRAMES));
  const frame = async (step: number): Promise<ToyFrame> => {
    const models: ToyModel[] = [];
    for (const each of trained) models.push(await sampled(each, samples, foldIn(key, 'samples'), signal));
    return { step, steps, samples, models };
  };
  try {
    for (let step = 0; step < steps; step++) {
      await letEventsIn();
      signal.throwIfAborted();
      await trainStep(trained, foldIn(foldIn(key, 'train'), step), step);
      onStep(step + 1, steps);
      if ((step + 1) % every === 0 && step + 1 < steps) onFrame(await frame(step + 1));
    }
    return await frame(steps);
  } finally {
    for (const { model, optimizer } of trained) {
      model.dispose();
      optimizer.dispose();
    }
  }
}

async function trainStep(trained: readonly Trained[], key: RandomKey, step: number): Promise<void> {
  const count = SCHEDULER.alphasCumprod.length;
  const times = Array.from(uniformArray(foldIn(key, 't'), BATCH), (u) => Math.min(count - 1, Math.floor(u * count)));
  const { x, noise } = tf.tidy(() => {
    const eps = normal(foldIn(key, 'noise'), [BATCH, POINTS]) as Tensor2D;
    return { x: SCHEDULER.addNoise(signals(foldIn(key, 'signals'), BATCH), eps, times), noise: eps };
  });
  try {
    for (const each of trained) {
      const { value, gradients } = valueAndGradients(
        () => tf.mean(tf.square(tf.sub(each.model.forward(x, times), noise))) as Scalar,
        each.model.parameters(),
      );
      each.optimizer.update(gradients);
      const [loss] = await value.data();
      each.loss = step === 0 ? loss : each.loss + (loss - each.loss) / Math.min(step + 1, 50);
      tf.dispose([value, ...gradients.values()]);
    }
  } finally {
    tf.dispose([x, noise]);
  }
}

/** @returns `[count, POINTS]`. Owned by the caller. */
function signals(key: RandomKey, count: number): Tensor2D {
  const values = new Float32Array(count * POINTS);
  for (const [i, u] of uniformArray(key, count).entries()) {
    const a = u < RARE.probability ? RARE.frequency : COMMON.frequency;
    for (let p = 0; p < POINTS; p++) values[i * POINTS + p] = Math.cos((2 * Math.PI * a * p) / POINTS);
  }
  return tf.tensor2d(values, [count, POINTS]);
}

async function sampled(
  { width, model, loss }: Trained,
  count: number,
  key: RandomKey,
  signal: AbortSignal,
): Promise<ToyModel> {
  const noise = normal(key, [count, POINTS]) as Tensor2D;
  let x: Tensor2D | undefined;
  try {
    x = await SCHEDULER.sample<Tensor2D>((input, t) => model.forward(input, [t]), noise, {
      steps: SAMPLING_STEPS,
      eta: 1, // as random as the paper's ancestral sampling
      key: foldIn(key, 'steps'),
      signal,
    });
    const values = (await x.data()) as Float32Array;
    const rows = Array.from({ length: count }, (_, i) => values.subarray(i * POINTS, (i + 1) * POINTS));
    return {
      width,
      parameters: model.parameterCount,
      loss,
      histogram: histogramOf(rows.map(peak)),
      examples: rows.slice(0, EXAMPLES).map((row) => Array.from(row)),
    };
  } finally {
    tf.dispose([noise, ...(x ? [x] : [])]);
  }
}

/** Frequencies of the histogram: the highest stands for all above, too. */
export const HIGHEST = 10;

function histogramOf(frequencies: readonly number[]): number[] {
  const counts = new Array<number>(HIGHEST + 1).fill(0);
  for (const frequency of frequencies) counts[Math.min(HIGHEST, frequency)]++;
  return counts;
}

/** The frequency of a signal's largest coefficient. */
export function peak(signal: ArrayLike<number>): number {
  let [best, most] = [0, -1];
  for (let a = 0; a <= POINTS / 2; a++) {
    let [re, im] = [0, 0];
    for (let p = 0; p < signal.length; p++) {
      const angle = (2 * Math.PI * a * p) / signal.length;
      re += signal[p] * Math.cos(angle);
      im += signal[p] * Math.sin(angle);
    }
    const power = re * re + im * im;
    if (power > most) [best, most] = [a, power];
  }
  return best;
}
