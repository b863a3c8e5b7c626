import type { SpectrumStatistics } from '@sd/spectral-loss';
import { z } from 'zod';
import { type FigureLine, lineFigure } from './line-figure';

/** A mean spectrum as a JSON file keeps it: geometric means over images, by radius as a fraction of Nyquist's. */
export const plainSpectrum = z.object({ frequency: z.array(z.number()), power: z.array(z.number()) });
export type PlainSpectrum = z.infer<typeof plainSpectrum>;

export function toPlainSpectrum(statistics: SpectrumStatistics): PlainSpectrum {
  const { frequency } = statistics.spectrum();
  return { frequency: [...frequency], power: [...statistics.meanLogPower()].map(Math.exp) };
}

export const DATA_STYLE = { color: '#333', width: 2.5 } as const;

/** Spectra over frequency, that of the data first. */
export function spectrumFigure(
  title: string,
  data: PlainSpectrum,
  lines: readonly { readonly label: string; readonly spectrum: PlainSpectrum }[],
): string {
  const points = ({ frequency, power }: PlainSpectrum) => frequency.map((f, i) => [f, power[i]] as const);
  const drawn: FigureLine[] = lines.map(({ label, spectrum }) => ({ label, points: points(spectrum) }));
  return lineFigure({
    title,
    x: { name: 'frequency r (1 = Nyquist)', min: 0, max: 1 },
    y: { name: 'power', logarithmic: true },
    lines: [{ label: 'data', points: points(data), style: DATA_STYLE }, ...drawn],
  });
}
