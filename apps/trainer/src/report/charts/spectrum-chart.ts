import { log10OrGap, logYAxis, PLOT, xAxis } from './axes';
import { highFrequencyMarks } from './high-frequencies';
import { lineSeries, type Point } from './line-series';
import { renderChart } from './render-chart';
import type { SpectrumLine } from './spectrum-lines';

/** Power over frequency, logarithmic. */
export function spectrumChart(id: string, lines: readonly SpectrumLine[]): string {
  const series = lines.map(({ spectrum, style }) => ({
    style,
    points: spectrum.frequency.map((r, i): Point => [r, log10OrGap(spectrum.power[i])]),
  }));
  return renderChart(id, {
    grid: PLOT,
    xAxis: xAxis('frequency r (1 = Nyquist)', { min: 0, max: 1 }),
    yAxis: logYAxis(
      'power',
      series.flatMap(({ points }) => points.map(([, y]) => y)),
    ),
    series: series.map(({ points, style }, i) => ({
      ...lineSeries(points, style),
      ...(i === 0 ? highFrequencyMarks() : {}),
    })),
  });
}
