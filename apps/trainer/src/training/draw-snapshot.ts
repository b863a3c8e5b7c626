import { foldIn, randomKey } from '@sd/core';
import type { Scheduler } from '@sd/schedulers';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoiser } from '../conditions/denoiser';
import { silentProgress } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import { decodeLatents, encodeMean, type Latents } from '../data/latents';
import { gateCurves, plainSpectrum, spectrumOf } from '../demo/evaluate';
import type { AnyFirstStage } from '../files/first-stage-file';
import type { Spectrum } from '../report/report-data';
import { classesInTurn } from '../sampling/guidance';
import { sampleImages } from '../sampling/sample-images';
import type { DrawSnapshot } from './snapshot';

/** Samples, and pictures of the data, of a snapshot. */
const COUNT = 16;
const GATE_IMAGES = 8;
/** Shares of the diffusion time at which gates are read. */
const GATE_SHARES = [0, 0.25, 0.5, 0.75, 1];

export type ModelSnapshotOptions = {
  readonly denoiser: Denoiser;
  readonly scheduler: Scheduler;
  readonly trainTimesteps: number;
  readonly autoencoder: AnyFirstStage;
  readonly latents: Latents;
  readonly steps: number;
  /** Of guidance, for models of classes. */
  readonly guidance: number;
  readonly seed: number;
};

/** Samples of a model from the same noise every time, their spectrum beside that of decoded data, and its gates. */
export function modelSnapshots(options: ModelSnapshotOptions): DrawSnapshot {
  const { denoiser, scheduler, autoencoder, latents, steps, seed, trainTimesteps } = options;
  const { unet } = denoiser;
  let data: Spectrum | undefined;
  return async () => {
    const pipeline = { unet, scheduler, autoencoder, scaleFactor: latents.scaleFactor };
    const guidance = classesInTurn(denoiser, options.guidance);
    const images = await sampleImages(pipeline, {
      count: COUNT,
      steps,
      key: randomKey(seed),
      openProgress: silentProgress,
      ...(guidance ? { guidance } : {}),
    });
    data ??= await decodedSpectrum(autoencoder, latents);
    const gated = unet.config.resample === 'wavelet' && denoiser.kind === 'none';
    return {
      images,
      spectra: { generated: plainSpectrum(await spectrumOf(images)), data },
      ...(gated
        ? {
            gates: await gateCurves(unet, scheduler, latents, foldIn(randomKey(seed), 'gates'), {
              images: Math.min(GATE_IMAGES, latents.length),
              times: GATE_SHARES.map((share) => Math.round(share * (trainTimesteps - 1))),
            }),
          }
        : {}),
    };
  };
}

/** Pictures of a dataset above, what a first stage makes of them below. */
export function firstStageSnapshots(autoencoder: AnyFirstStage, dataset: ImageDataset): DrawSnapshot {
  const count = Math.min(COUNT / 2, dataset.length);
  return async () => {
    const images = await dataset.batch(Int32Array.from({ length: count }, (_, i) => i));
    const latents = encodeMean(autoencoder, images);
    const decoded = decodeLatents(autoencoder, latents, 1);
    const [generated, data] = [plainSpectrum(await spectrumOf(decoded)), plainSpectrum(await spectrumOf(images))];
    const both = tf.concat([images, decoded], 0) as Tensor4D;
    tf.dispose([images, latents, decoded]);
    return { images: both, columns: count, spectra: { generated, data } };
  };
}

async function decodedSpectrum(autoencoder: AnyFirstStage, latents: Latents): Promise<Spectrum> {
  const batch = await latents.batch(Int32Array.from({ length: Math.min(4 * COUNT, latents.length) }, (_, i) => i));
  const images = decodeLatents(autoencoder, batch, latents.scaleFactor);
  const spectrum = plainSpectrum(await spectrumOf(images));
  tf.dispose([batch, images]);
  return spectrum;
}
