import type { LineStyle } from '../line-style';
import { log10OrGap, logYAxis, PLOT, roundUp, xAxis } from './axes';
import { faintSeries, lineSeries, type Point } from './line-series';
import { renderChart } from './render-chart';
import { smooth, thin } from './smooth';

export type TrainingLine = {
  readonly label: string;
  readonly style: LineStyle;
  readonly points: readonly { readonly step: number; readonly value: number }[];
  /** Without noise: drawn as it is. */
  readonly isExact?: boolean;
};

/** Losses over the training steps, logarithmic: smoothed over raw. */
export function trainingChart(id: string, name: string, lines: readonly TrainingLine[]): string {
  const series = lines.map(({ style, points, isExact = false }) => {
    const thinned = thin(points);
    const raw = thinned.map(({ value }) => log10OrGap(value));
    const at = (values: readonly (number | null)[]) => values.map((y, i): Point => [thinned[i].step, y]);
    return { raw: at(raw), smoothed: at(isExact ? raw : smooth(raw)), style };
  });
  const steps = lines.flatMap(({ points }) => points.map(({ step }) => step));
  return renderChart(id, {
    grid: PLOT,
    xAxis: xAxis('training step', {
      min: 0,
      max: roundUp(steps.reduce((a, b) => Math.max(a, b), 1)),
      format: (value) => value.toLocaleString('en'),
    }),
    yAxis: logYAxis(
      name,
      series.flatMap(({ raw }) => raw.map(([, y]) => y)),
    ),
    series: series.flatMap(({ raw, smoothed, style }) => [faintSeries(raw, style), lineSeries(smoothed, style)]),
  });
}
