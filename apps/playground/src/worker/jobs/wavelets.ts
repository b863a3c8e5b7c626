import { letEventsIn } from '@sd/core';
import { psnr } from '@sd/metrics';
import {
  type DetailBands,
  type ExtensionMode,
  maxLevel,
  type WaveletCoefficients,
  type WaveletName,
  wavedec2d,
  waverec2d,
} from '@sd/wavelet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { WaveletOutcome, WaveletSettings } from '../../protocol';
import { pictureTensor } from '../picture';
import { sheetOf, sheetOfValues } from '../sheet';

const SIZE = 256;
/** The picture, its pyramid, what comes back, and how it is shown. */
const PARTS = 4;
const DETAILS = ['lh', 'hl', 'hh'] as const;

/** A picture's pyramid in any wavelet, and what comes back without some of its bands. @throws {UserError} @throws the signal's reason. */
export async function wavelets(
  file: Blob | null,
  settings: WaveletSettings,
  onStep: (done: number, total: number) => void,
  signal: AbortSignal,
): Promise<WaveletOutcome> {
  const done = async (parts: number) => {
    onStep(parts, PARTS);
    await letEventsIn();
    signal.throwIfAborted();
  };
  const options = { wavelet: settings.wavelet as WaveletName, mode: settings.mode as ExtensionMode };
  const maxLevels = Math.max(1, maxLevel(SIZE, options.wavelet));
  const levels = Math.min(settings.level, maxLevels);
  const x = await pictureTensor(file, SIZE);
  let coefficients: WaveletCoefficients | undefined;
  let reconstruction: Tensor4D | undefined;
  try {
    await done(1);
    coefficients = wavedec2d(x, { ...options, level: levels });
    await done(2);
    const kept = coefficients;
    reconstruction = tf.tidy(() => {
      const back = waverec2d(withoutBands(kept, settings.off), { ...options, size: [SIZE, SIZE] });
      return tf.clipByValue(back, -1, 1) as Tensor4D;
    });
    await done(3);
    return {
      original: await sheetOf(x),
      pyramid: await pyramid(coefficients, settings.off),
      reconstruction: await sheetOf(reconstruction),
      psnr: await signedPsnr(x, reconstruction),
      levels,
      maxLevels,
      energy: await energyOf(coefficients),
    };
  } finally {
    tf.dispose([x, ...(reconstruction ? [reconstruction] : [])]);
    if (coefficients) tf.dispose([coefficients.ll, ...coefficients.details.flatMap(({ lh, hl, hh }) => [lh, hl, hh])]);
  }
}

/** PSNR of images in [-1, 1], in dB. Borrowed. */
export async function signedPsnr(a: Tensor4D, b: Tensor4D): Promise<number> {
  const unit = (image: Tensor4D) => tf.tidy(() => tf.clipByValue(tf.div(tf.add(image, 1), 2), 0, 1) as Tensor4D);
  const [x, y] = [unit(a), unit(b)];
  try {
    const values = await psnr(x, y);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  } finally {
    tf.dispose([x, y]);
  }
}

/** Call inside a tidy. */
function withoutBands({ ll, details }: WaveletCoefficients, off: readonly string[]): WaveletCoefficients {
  const kept = (name: string, band: Tensor4D) => (off.includes(name) ? tf.zerosLike(band) : band);
  return {
    ll: kept('ll', ll),
    details: details.map((detail, i) => {
      const level = details.length - i;
      const [lh, hl, hh] = DETAILS.map((name) => kept(`${level}${name}`, detail[name]));
      return { lh, hl, hh };
    }),
  };
}

async function energyOf({ ll, details }: WaveletCoefficients): Promise<Record<string, number>> {
  const named: [string, Tensor4D][] = [['ll', ll]];
  for (const [i, detail] of details.entries()) {
    for (const name of DETAILS) named.push([`${details.length - i}${name}`, detail[name]]);
  }
  const sums = tf.tidy(() => tf.stack(named.map(([, band]) => tf.sum(tf.square(band)))));
  const values = (await sums.data()) as Float32Array;
  sums.dispose();
  const total = values.reduce((sum, value) => sum + value, 0);
  return Object.fromEntries(named.map(([name], i) => [name, total === 0 ? 0 : values[i] / total]));
}

/** The bands in their places: LL at the top left, LH below it, HL beside it; details stretched around grey. */
async function pyramid({ ll, details }: WaveletCoefficients, off: readonly string[]) {
  const [, height, width] = ll.shape;
  let picture: Picture = { height, width, values: scaled(await ll.data(), off.includes('ll') ? 0 : 'range') };
  for (const [i, detail] of details.entries()) {
    const level = details.length - i;
    const own = (name: keyof DetailBands) => (off.includes(`${level}${name}`) ? 0 : 'around-zero');
    const band = async (name: keyof DetailBands) => scaled(await detail[name].data(), own(name));
    const [lh, hl, hh] = [await band('lh'), await band('hl'), await band('hh')];
    picture = quartered(picture, [detail.lh.shape[1], detail.lh.shape[2]], { lh, hl, hh });
  }
  return sheetOfValues(picture.values, [1, picture.height, picture.width, 3]);
}

type Picture = { readonly height: number; readonly width: number; readonly values: Float32Array };

/** To [-1, 1]; what is switched off is dark. */
function scaled(values: ArrayLike<number>, how: 'range' | 'around-zero' | 0): Float32Array {
  if (how === 0) return new Float32Array(values.length).fill(-0.85);
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]);
    high = Math.max(high, values[i]);
  }
  if (how === 'range') return Float32Array.from(values, (value) => (2 * (value - low)) / (high - low || 1) - 1);
  const most = Math.max(-low, high) || 1;
  // the root shows what is faint
  return Float32Array.from(values, (value) => Math.sign(value) * Math.sqrt(Math.abs(value) / most));
}

/** Four quarters of `size`; the coarser picture is cut or left dark where the filters' borders make sizes differ. */
function quartered(
  coarser: Picture,
  [h, w]: readonly [number, number],
  { lh, hl, hh }: Readonly<Record<'lh' | 'hl' | 'hh', Float32Array>>,
): Picture {
  const whole = { height: 2 * h, width: 2 * w, values: new Float32Array(12 * h * w).fill(-0.85) };
  const put = (source: Picture, top: number, left: number) => {
    for (let y = 0; y < Math.min(h, source.height); y++) {
      const row = source.values.subarray(3 * y * source.width, 3 * (y * source.width + Math.min(w, source.width)));
      whole.values.set(row, 3 * ((top + y) * whole.width + left));
    }
  };
  put(coarser, 0, 0);
  put({ height: h, width: w, values: hl }, 0, w);
  put({ height: h, width: w, values: lh }, h, 0);
  put({ height: h, width: w, values: hh }, h, w);
  return whole;
}
