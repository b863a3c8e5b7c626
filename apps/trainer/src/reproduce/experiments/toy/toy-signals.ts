import { type RandomKey, uniformArray } from '@sd/core';

/** Frequencies of f(x) = cos(a 2 pi x) by how often they occur (Yang et al. 2023, Example 1). */
export const MINORITY = { frequency: 3, probability: 0.2 } as const;
export const MAJORITY = { frequency: 5, probability: 0.8 } as const;

/** `count` signals of the example, one after the other, sampled at `length` equidistant places of a period. */
export function toySignals(key: RandomKey, count: number, length: number): Float32Array {
  const draws = uniformArray(key, count);
  const waves = [MINORITY, MAJORITY].map(({ frequency }) =>
    Float32Array.from({ length }, (_, j) => Math.cos((2 * Math.PI * frequency * j) / length)),
  );
  const signals = new Float32Array(count * length);
  for (let i = 0; i < count; i++) signals.set(waves[draws[i] < MINORITY.probability ? 0 : 1], i * length);
  return signals;
}

/** |DFT| of a real signal over its length, for frequencies 0 to length / 2: 1/2 at that of a cosine of amplitude 1. */
export function dftMagnitudes(signal: ArrayLike<number>): Float64Array {
  const { length } = signal;
  return Float64Array.from({ length: Math.floor(length / 2) + 1 }, (_, f) => {
    let [re, im] = [0, 0];
    for (let j = 0; j < length; j++) {
      const angle = (2 * Math.PI * ((f * j) % length)) / length;
      re += signal[j] * Math.cos(angle);
      im -= signal[j] * Math.sin(angle);
    }
    return Math.hypot(re, im) / length;
  });
}

/** What generated signals are: shares by the frequency of their largest magnitude, and their mean magnitudes. */
export function countFrequencies(samples: Float32Array, length: number) {
  const count = samples.length / length;
  const magnitudes = new Float64Array(Math.floor(length / 2) + 1);
  let [minority, majority] = [0, 0];
  for (let i = 0; i < count; i++) {
    const own = dftMagnitudes(samples.subarray(i * length, (i + 1) * length));
    for (const [f, magnitude] of own.entries()) magnitudes[f] += magnitude / count;
    const peak = own.indexOf(Math.max(...own));
    if (peak === MINORITY.frequency) minority++;
    if (peak === MAJORITY.frequency) majority++;
  }
  return { minority: minority / count, majority: majority / count, magnitudes: [...magnitudes] };
}
