import { foldIn, randomKey } from '@sd/core';
import { naturalSpectrum, noiseFilter, noiseFilterPublished, wienerFilter } from '@sd/spectral-loss';
import { z } from 'zod';
import { buildScheduler } from '../../training/build-models';
import { type FigureLine, lineFigure } from '../figures/line-figure';
import type { Reproduction, ReproductionContext } from '../reproduction';
import type { Scale } from '../scale';
import { confidenceInterval, formatInterval } from '../statistics';
import { linearDenoisers } from './linear-denoisers';

/** Of the curves. */
const TIMES = [1, 50, 100, 200, 400, 600, 800, 999];
/** Of the check: from little noise to much. */
const CHECKED_TIMES = [50, 200, 400, 800];
/** Samples of a signal; its frequencies are 1 to half of it. */
const LENGTH = 64;
const CURVE_POINTS = 120;
/** LDM's of FFHQ, CelebA-HQ, bedrooms and ImageNet. */
const DIFFUSION = {
  trainTimesteps: 1000,
  betaSchedule: 'scaled_linear',
  betaStart: 0.0015,
  betaEnd: 0.0195,
  predictionType: 'epsilon',
} as const;

const SIZES: Readonly<Record<Scale, { readonly signals: number; readonly seeds: number }>> = {
  smoke: { signals: 50, seeds: 2 },
  tiny: { signals: 4000, seeds: 5 },
  small: { signals: 20_000, seeds: 10 },
  full: { signals: 20_000, seeds: 10 },
};

const checked = z.object({ exact: z.number(), published: z.number(), best: z.number(), coefficients: z.number() });

export const fig3: Reproduction = {
  name: 'fig3',
  title: 'Figure 3: the optimal linear denoiser over t',
  paper:
    'The denoisers of a diffusion are a cascade of Wiener filters (Proposition 1): for a power spectrum 1 / f² they are low passes whose bandwidth grows as the noise falls.',
  method: `The signal filter |G|² and the noise filter H for |X₀(f)|² = 1 / f² at timesteps of LDM's schedule. Proposition 1 is checked by Monte Carlo: real stationary signals of ${LENGTH} samples with that spectrum (mean removed), noised; the least-squares linear filter of each frequency is fitted to half of them, and it, the exact filter and the published form, which lacks the factor sqrt(1 - abar), predict the noise of the other half.`,
  run,
};

async function run({ scale, seed, pieces }: ReproductionContext) {
  const { signals, seeds } = SIZES[scale];
  const { alphasCumprod } = buildScheduler(DIFFUSION);
  const frequency = Array.from({ length: CURVE_POINTS }, (_, i) => 10 ** (-1.5 + (3.5 * i) / (CURVE_POINTS - 1)));
  const spectrum = naturalSpectrum(frequency);
  const curves = TIMES.map((t) => {
    const abar = alphasCumprod[t];
    return {
      t,
      abar,
      signal: [...wienerFilter(spectrum, abar)].map((gain) => gain ** 2),
      noise: [...noiseFilter(spectrum, abar)],
      published: [...noiseFilterPublished(spectrum, abar)],
      bandwidth: halfPowerFrequency(abar),
    };
  });
  const wanted = CHECKED_TIMES.flatMap((t) =>
    Array.from({ length: seeds }, (_, i) => {
      const abar = alphasCumprod[t];
      const key = foldIn(foldIn(randomKey(seed + i), 'fig3'), t);
      const settings = { seed: seed + i, abar, signals, length: LENGTH };
      const compute = async () => linearDenoisers({ abar, signals, length: LENGTH, key });
      return { name: `t${t}-seed${seed + i}`, settings, compute };
    }),
  );
  const found = await pieces.all(checked, wanted);
  const checks = CHECKED_TIMES.map((t, i) => ({
    t,
    abar: alphasCumprod[t],
    errors: found.slice(i * seeds, (i + 1) * seeds),
  }));
  const lines = (values: (curve: (typeof curves)[number]) => readonly number[]): FigureLine[] =>
    curves.map((curve) => ({
      label: `t = ${curve.t}`,
      points: values(curve).map((value, i) => [frequency[i], value] as const),
    }));
  const x = { name: 'frequency f', logarithmic: true, min: frequency[0], max: frequency[CURVE_POINTS - 1] };
  return {
    settings: { seeds, signals, length: LENGTH, diffusion: DIFFUSION },
    values: {
      frequency: shortened(frequency),
      curves: curves.map(({ signal, noise, published, ...curve }) => ({
        ...curve,
        signal: shortened(signal),
        noise: shortened(noise),
        published: shortened(published),
      })),
      checks,
    },
    figures: [
      {
        name: 'fig3-signal',
        title: 'Signal filter',
        caption: '|G(f)|² of the best linear estimate of x₀, for |X₀(f)|² = 1 / f²: what the paper’s Figure 3 draws.',
        svg: lineFigure({
          title: 'Power response of the signal filter over frequency, by timestep',
          x,
          y: { name: '|G|²', logarithmic: true, min: 1e-6, max: 1e4 },
          lines: lines(({ signal }) => signal),
        }),
      },
      {
        name: 'fig3-passband',
        title: 'Signal filter, from x₀ to its estimate',
        caption:
          'abar |G(f)|²: the share of the power of x₀ itself that the estimate keeps, between 0 and 1 at every t. The band widens as the noise falls.',
        svg: lineFigure({
          title: 'Share of power that the signal filter keeps over frequency, by timestep',
          x,
          y: { name: 'abar |G|²', min: 0, max: 1 },
          lines: lines(({ abar, signal }) => signal.map((value) => abar * value)),
        }),
      },
      {
        name: 'fig3-noise',
        title: 'Noise filter, exact',
        caption: 'H(f) = sqrt(1 - abar) / (abar |X₀|² + 1 - abar), the best linear estimate of the noise.',
        svg: lineFigure({
          title: 'Response of the exact noise filter over frequency, by timestep',
          x,
          y: { name: 'H', logarithmic: true, min: 1e-4, max: 100 },
          lines: lines(({ noise }) => noise),
        }),
      },
      {
        name: 'fig3-noise-published',
        title: 'Noise filter, as published',
        caption: '1 / (abar |X₀|² + 1 - abar), as Proposition 1 prints it: the same shape over f, another level.',
        svg: lineFigure({
          title: 'Response of the published noise filter over frequency, by timestep',
          x,
          y: { name: 'published form', logarithmic: true, min: 1e-4, max: 1000 },
          lines: lines(({ published }) => published),
        }),
      },
    ],
    tables: [
      {
        title: 'Bandwidth of the signal filter',
        note: 'The frequency at which |G|² is half of what it is at f = 0.',
        columns: ['t', 'abar', 'half-power frequency'],
        rows: curves.map(({ t, abar, bandwidth }) => [String(t), abar.toPrecision(4), bandwidth.toPrecision(3)]),
      },
      {
        title: 'Proposition 1 by Monte Carlo',
        note: `Mean squared error of the predicted noise over frequencies and ${seeds} seeds, with 95 % intervals; 1 is the error of predicting nothing. The last column is the largest distance of a fitted coefficient from the exact one.`,
        columns: ['t', 'exact filter', 'published form', 'least-squares fit', 'fit - exact'],
        rows: checks.map(({ t, errors }) => [
          String(t),
          ...(['exact', 'published', 'best'] as const).map((filter) =>
            formatInterval(confidenceInterval(errors.map((error) => error[filter])), 6),
          ),
          Math.max(...errors.map(({ coefficients }) => coefficients)).toFixed(4),
        ]),
      },
    ],
    findings: findings(curves, checks),
  };
}

/** To six digits, for the JSON file. */
const shortened = (values: readonly number[]) => values.map((value) => Number(value.toPrecision(6)));

const percent = (ratio: number) => `${((ratio - 1) * 100).toFixed(2)} %`;

/** Where |G|² is half of its value at f = 0, for the spectrum 1 / f²: G / G(0) = 1 / (1 + (1 - abar) f² / abar). */
function halfPowerFrequency(abar: number): number {
  return Math.sqrt(((Math.SQRT2 - 1) * abar) / (1 - abar));
}

function findings(
  curves: readonly { readonly t: number; readonly bandwidth: number }[],
  checks: readonly { readonly errors: readonly z.infer<typeof checked>[] }[],
): string[] {
  const grows = curves.every(({ bandwidth }, i) => i === 0 || bandwidth < curves[i - 1].bandwidth);
  const [first, last] = [curves[0], curves[curves.length - 1]];
  const all = checks.flatMap(({ errors }) => errors);
  const range = (ratio: (error: (typeof all)[number]) => number) => {
    const ratios = all.map(ratio);
    return `${percent(Math.min(...ratios))} to ${percent(Math.max(...ratios))}`;
  };
  return [
    grows
      ? `The bandwidth grows at every step towards the data, from ${last.bandwidth.toPrecision(2)} at t = ${last.t} to ${first.bandwidth.toPrecision(2)} at t = ${first.t}.`
      : 'The bandwidth does not grow at every step towards the data.',
    `On signals that it was not fitted to, the error of the exact filter is ${range(({ exact, best }) => exact / best)} off that of the least-squares fit; that of the published form ${range(({ published, best }) => published / best)}.`,
  ];
}
