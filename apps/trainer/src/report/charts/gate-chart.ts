import type { CustomSeriesRenderItemAPI } from 'echarts/types/dist/shared';
import { BAND_LINES, BANDS } from '../line-style';
import type { GateCurve } from '../report-data';
import { PLOT, roundUp, xAxis, yAxis } from './axes';
import { lineSeries, type Point } from './line-series';
import { renderChart } from './render-chart';

/** Gate values of one module over t: the mean of each band, with a band of a deviation on either side. */
export function gateChart(id: string, { t, bands }: GateCurve): string {
  const last = roundUp(t.reduce((a, b) => Math.max(a, b), 1));
  return renderChart(
    id,
    {
      grid: { ...PLOT, top: 24, bottom: 40 },
      xAxis: xAxis('t (data on the left, noise on the right)', { min: 0, max: last }),
      yAxis: yAxis('gate', { min: 0, max: 1, interval: 0.25 }),
      series: BANDS.flatMap(({ key }) => {
        const { mean, deviation } = bands[key];
        return [
          deviationSeries(t, mean, deviation, BAND_LINES[key].color),
          lineSeries(
            t.map((x, i): Point => [x, Number.isFinite(mean[i]) ? mean[i] : null]),
            BAND_LINES[key],
          ),
        ];
      }),
    },
    { width: 420, height: 240 },
  );
}

/** The area between mean - deviation and mean + deviation, within the gates' own range. */
function deviationSeries(
  t: readonly number[],
  mean: readonly number[],
  deviation: readonly number[],
  color: string,
): object {
  const finite = t.map((_, i) => i).filter((i) => Number.isFinite(mean[i]) && Number.isFinite(deviation[i]));
  return {
    type: 'custom',
    silent: true,
    data: [[0, 0]],
    z: 1,
    renderItem: (_: unknown, api: CustomSeriesRenderItemAPI) => {
      const edge = (sign: number) =>
        finite.map((i) => api.coord([t[i], Math.min(1, Math.max(0, mean[i] + sign * deviation[i]))]));
      const points = [...edge(1), ...edge(-1).reverse()];
      return { type: 'polygon', shape: { points }, style: { fill: color, opacity: 0.13 } };
    },
  };
}
