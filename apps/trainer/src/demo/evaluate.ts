import { foldIn, normal, type RandomKey } from '@sd/core';
import type { Scheduler } from '@sd/schedulers';
import { type FrequencyErrors, frequencyErrors, SpectrumStatistics } from '@sd/spectral-loss';
import type { UNet } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { Latents } from '../data/latents';
import type { GateCurve, Spectrum } from '../report/report-data';

/** Images in [-1, 1] as the spectra of the report see them. */
export async function spectrumOf(images: Tensor4D): Promise<SpectrumStatistics> {
  const statistics = new SpectrumStatistics();
  await statistics.add(images);
  return statistics;
}

/** For the report. */
export function plainSpectrum(statistics: SpectrumStatistics): Spectrum {
  const { frequency } = statistics.spectrum();
  return { frequency: [...frequency], power: [...statistics.meanLogPower()].map(Math.exp) };
}

export function errorsAgainst(statistics: SpectrumStatistics, data: SpectrumStatistics): Promise<FrequencyErrors> {
  return frequencyErrors(statistics, data);
}

/** Mean over images of 10 log10(peak^2 / mean squared error), for images in [-1, 1]. */
export async function meanPsnr(a: Tensor4D, b: Tensor4D): Promise<number> {
  const errors = tf.tidy(() => tf.mean(tf.reshape(tf.square(tf.sub(a, b)), [a.shape[0], -1]), 1));
  const values = (await errors.data()) as Float32Array;
  errors.dispose();
  return values.reduce((sum, value) => sum + 10 * Math.log10(4 / value), 0) / values.length;
}

const BANDS = ['ll', 'lh', 'hl', 'hh'] as const;

/**
 * Gate values over the diffusion time (the paper's Figure 9): mean and standard deviation over images and channels.
 * @param times timesteps, ascending.
 */
export async function gateCurves(
  unet: UNet,
  scheduler: Scheduler,
  latents: Latents,
  key: RandomKey,
  { images, times }: { readonly images: number; readonly times: readonly number[] },
): Promise<GateCurve[]> {
  const x0 = await latents.batch(Int32Array.from({ length: images }, (_, i) => i));
  const curves = new Map<string, GateCurve>();
  for (const t of times) {
    const gates = tf.tidy(() => {
      const noise = normal(foldIn(key, t), x0.shape) as Tensor4D;
      const x = scheduler.addNoise(x0, noise, new Array<number>(images).fill(t));
      return unet.forwardWithGates(x, t).gates;
    });
    for (const [module, values] of Object.entries(gates)) {
      const curve = curves.get(module) ?? emptyCurve(module);
      curves.set(module, curve);
      (curve.t as number[]).push(t);
      const data = (await values.data()) as Float32Array;
      const perBand = values.size / values.shape[0] / BANDS.length;
      for (const [b, band] of BANDS.entries()) {
        const own = data.filter((_, i) => Math.floor(i / perBand) % BANDS.length === b);
        const mean = own.reduce((sum, v) => sum + v, 0) / own.length;
        const variance = own.reduce((sum, v) => sum + (v - mean) ** 2, 0) / own.length;
        (curve.bands[band].mean as number[]).push(mean);
        (curve.bands[band].deviation as number[]).push(Math.sqrt(variance));
      }
      values.dispose();
    }
  }
  x0.dispose();
  return [...curves.values()];
}

function emptyCurve(module: string): GateCurve {
  const band = () => ({ mean: [], deviation: [] });
  return {
    module,
    direction: module.startsWith('input_blocks') ? 'down' : 'up',
    t: [],
    bands: { ll: band(), lh: band(), hl: band(), hh: band() },
  };
}
