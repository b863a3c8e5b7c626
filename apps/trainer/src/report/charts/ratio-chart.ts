import { extent, PLOT, xAxis, yAxis } from './axes';
import { highFrequencyMarks } from './high-frequencies';
import { lineSeries, type Point } from './line-series';
import { renderChart } from './render-chart';
import { decibelsOver, type SpectrumLine } from './spectrum-lines';

/** Power over the data's in dB; the data itself, first of the lines, is the rule at 0. */
export function ratioChart(id: string, [data, ...others]: readonly SpectrumLine[]): string {
  const series = others.map(({ spectrum, style }) => ({
    style,
    points: decibelsOver(spectrum, data.spectrum).map(
      (value, i): Point => [spectrum.frequency[i], Number.isNaN(value) ? null : value],
    ),
  }));
  const { min, max } = extent([0, ...series.flatMap(({ points }) => points.map(([, y]) => y))], 0.08);
  const zero: Point[] = [
    [0, 0],
    [1, 0],
  ];
  return renderChart(id, {
    grid: PLOT,
    xAxis: xAxis('frequency r (1 = Nyquist)', { min: 0, max: 1 }),
    yAxis: yAxis('dB', {
      min: Math.floor(min),
      max: Math.ceil(max),
      axisLabel: {
        color: 'var(--muted)',
        fontSize: 12,
        formatter: (value: number) => (value > 0 ? `+${value}` : String(value).replace('-', '−')),
      },
    }),
    series: [
      { ...lineSeries(zero, data.style), ...highFrequencyMarks() },
      ...series.map(({ points, style }) => lineSeries(points, style)),
    ],
  });
}
