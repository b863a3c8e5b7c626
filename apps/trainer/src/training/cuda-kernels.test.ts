import { autoencoderLoss, presets as autoencoders, createAutoencoder } from '@sd/autoencoder';
import { normal, randomKey } from '@sd/core';
import { OUTPUT_PAIR, pairedTensors, pairFeatures, SpectrumAwareDistillation } from '@sd/distill';
import { type Module, valueAndGradients } from '@sd/nn';
import { AdamW, clipFactor, ExponentialMovingAverage, globalNorm } from '@sd/nn/optim';
import { schedulerFromConfig } from '@sd/schedulers';
import { focalFrequencyLoss, SpectrumStatistics } from '@sd/spectral-loss';
import { kernelsUsedBy } from '@sd/testing';
import { featureShapes, UNet, type UNetConfig } from '@sd/unet';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { cudaKernels } from '../../../../testing/cuda-kernels';

const base: UNetConfig = {
  imageSize: 4,
  inChannels: 4,
  outChannels: 4,
  modelChannels: 4,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [1, 2],
  numHeads: 1,
};

const images = (channels: number, size = 4) => normal(randomKey(1), [2, size, size, channels]) as Tensor4D;

/** One whole training step: loss, gradients, clipping, AdamW, average. */
function step(modules: readonly Module[], loss: () => Scalar): void {
  const parameters = new Map(
    modules.flatMap((m, i) => [...m.parameters()].map(([name, p]) => [`${i}.${name}`, p] as const)),
  );
  const { gradients } = valueAndGradients(loss, parameters);
  const gradientScale = clipFactor(globalNorm(gradients.values()), 1);
  new AdamW(parameters).update(gradients, { gradientScale });
  new ExponentialMovingAverage(parameters).update();
}

function unetStep(config: Partial<UNetConfig>, options: Parameters<UNet['forward']>[2] = {}): void {
  const unet = new UNet({ ...base, ...config });
  step([unet], () => tf.mean(tf.square(unet.forward(images(4), [3, 7], options))) as Scalar);
}

const programs: Readonly<Record<string, () => unknown>> = {
  'the LDM UNet': () => unetStep({}),
  'the SD UNet': () => unetStep({ resample: 'wavelet', numHeads: 2 }),
  'the church UNet': () => unetStep({ resblockUpdown: true, useScaleShiftNorm: true }),
  'the SD church UNet': () => unetStep({ resblockUpdown: true, useScaleShiftNorm: true, resample: 'wavelet' }),
  'the text UNet': () =>
    unetStep(
      { useSpatialTransformer: true, contextDim: 6 },
      { context: normal(randomKey(2), [2, 3, 6]) as tf.Tensor3D },
    ),
  'the class-conditional UNet': () =>
    unetStep({ numClasses: 3, dropout: 0.5 }, { labels: [0, 2], dropoutKey: randomKey(3) }),
  'KL and VQ first stages': () => {
    for (const name of ['tiny-kl-f4', 'tiny-vq-f4'] as const) {
      const preset = { ...autoencoders[name], ch: 8, chMult: [1, 1], attnType: 'vanilla', norm: 'group' } as const;
      const model = createAutoencoder('nEmbed' in preset ? { ...preset, nEmbed: 4 } : preset);
      step(
        [model],
        () =>
          autoencoderLoss(model, images(3, 8), {
            key: randomKey(4),
            perceptual: (x, y) => focalFrequencyLoss(y, x),
          }).total,
      );
      model.decode(images(preset.embedDim));
    }
  },
  'spectrum-aware distillation': () => {
    const [teacher, student] = [new UNet({ ...base, modelChannels: 8 }), new UNet({ ...base, resample: 'wavelet' })];
    const pairs = [
      { name: OUTPUT_PAIR, teacherChannels: 4, studentChannels: 4 },
      ...pairFeatures(featureShapes(teacher.config), featureShapes(student.config)),
    ];
    const distillation = new SpectrumAwareDistillation({ pairs });
    const taught = pairedTensors(teacher.forwardWithFeatures(images(4), 3));
    step([student, distillation], () => {
      const learned = pairedTensors(student.forwardWithFeatures(images(4), 3));
      return distillation.loss(taught, learned, images(4)).total;
    });
  },
  'sampling and spectra': async () => {
    for (const name of ['DDIMScheduler', 'DDPMScheduler']) {
      const scheduler = schedulerFromConfig({ _class_name: name });
      scheduler.addNoise(images(4), images(4), [1, 2]);
      await scheduler.sample((x) => tf.mul(x, 0.5) as Tensor4D, images(4), { steps: 3 });
    }
    await new SpectrumStatistics().add(images(3, 8));
  },
};

describe('the CUDA backend (tfjs-node-gpu)', () => {
  const offered = new Set(cudaKernels());

  test.each(Object.entries(programs))('has every kernel of a training step of %s', async (_, program) => {
    const used = await kernelsUsedBy(program);
    expect(used.length).toBeGreaterThan(5);
    expect(used.filter((kernel) => !offered.has(kernel))).toEqual([]);
  });
});
