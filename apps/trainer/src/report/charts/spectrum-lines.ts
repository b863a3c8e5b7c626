import { DATA_LINE, FIRST_STAGE_LINE, type LineStyle, MODEL_LINES } from '../line-style';
import type { ReportData, Spectrum } from '../report-data';
import { HIGH_FREQUENCY } from './high-frequencies';

export type SpectrumLine = { readonly label: string; readonly spectrum: Spectrum; readonly style: LineStyle };

/** The spectra of a report: the data first, then what comes near it at best, then the models. */
export function spectrumLines({ data, firstStage, models }: ReportData): SpectrumLine[] {
  return [
    { label: 'Data', spectrum: data.spectrum, style: DATA_LINE },
    ...(firstStage.spectrum
      ? [{ label: 'First stage alone', spectrum: firstStage.spectrum, style: FIRST_STAGE_LINE }]
      : []),
    ...models.map(({ name, label, spectrum }) => ({ label, spectrum, style: MODEL_LINES[name] })),
  ];
}

/** 10 log10 of a spectrum over the data's, bin by bin; not a number where either has no power. */
export function decibelsOver(spectrum: Spectrum, data: Spectrum): number[] {
  return spectrum.power.map((power, i) => {
    const decibels = 10 * Math.log10(power / data.power[i]);
    return Number.isFinite(decibels) ? decibels : Number.NaN;
  });
}

/** Mean of the decibels at high frequencies. */
export function meanHighDecibels(spectrum: Spectrum, data: Spectrum): number {
  const high = decibelsOver(spectrum, data).filter((_, i) => spectrum.frequency[i] >= HIGH_FREQUENCY);
  return high.reduce((sum, value) => sum + value, 0) / high.length;
}
