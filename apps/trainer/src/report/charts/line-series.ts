import type { LineStyle } from '../line-style';

export type Point = readonly [x: number, y: number | null];

/** One line of a chart. */
export function lineSeries(data: readonly Point[], { color, dash, symbol, width }: LineStyle, symbolSize = 6) {
  return {
    type: 'line',
    data,
    silent: true,
    emphasis: { disabled: true },
    symbol,
    symbolSize,
    showAllSymbol: true,
    lineStyle: { color, width, type: dash.length > 0 ? dash : 'solid', cap: 'butt', join: 'round' },
    itemStyle: { color },
    connectNulls: false,
    z: 3,
  };
}

/** A line that only gives an idea of the raw values behind a smoothed one. */
export function faintSeries(data: readonly Point[], { color }: LineStyle) {
  return {
    ...lineSeries(data, { color, dash: [], symbol: 'none', width: 1 }),
    lineStyle: { color, width: 1, opacity: 0.25, type: 'solid' },
    z: 2,
  };
}
