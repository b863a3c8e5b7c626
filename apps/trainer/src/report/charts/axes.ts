import { formatLogTick } from '../format';

/** Room for the labels around the plot. */
export const PLOT = { left: 46, right: 14, top: 26, bottom: 42 } as const;

const label = { color: 'var(--muted)', fontSize: 12 };

/** Along the bottom. */
export function xAxis(name: string, { min, max, format }: XAxisOptions) {
  return {
    type: 'value',
    min,
    max,
    name,
    nameLocation: 'middle',
    nameGap: 26,
    nameTextStyle: label,
    axisLine: { show: true, onZero: false, lineStyle: { color: 'var(--axis)' } },
    axisTick: { show: true, length: 4, lineStyle: { color: 'var(--axis)' } },
    axisLabel: { ...label, showMaxLabel: true, hideOverlap: true, ...(format ? { formatter: format } : {}) },
    splitLine: { show: false },
  };
}

type XAxisOptions = {
  readonly min: number;
  readonly max: number;
  readonly format?: (value: number) => string;
};

/** Up the left side, its name above it. */
export function yAxis(name: string, options: Readonly<Record<string, unknown>>) {
  return {
    type: 'value',
    name,
    nameLocation: 'end',
    nameGap: 10,
    nameTextStyle: { ...label, align: 'left', padding: [0, 0, 0, -PLOT.left + 6] },
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { show: true, lineStyle: { color: 'var(--line)' } },
    axisLabel: label,
    ...options,
  };
}

/**
 * A logarithmic axis. Its values are plotted as their log10: echarts's own would only label powers of ten.
 * @param values log10 of what is plotted; null is a gap.
 */
export function logYAxis(name: string, values: readonly (number | null)[]) {
  const { min, max } = extent(values, 0.04);
  const ticks = logTicks(min, max);
  return yAxis(name, {
    min,
    max,
    axisTick: { show: false, customValues: ticks },
    axisLabel: { ...label, customValues: ticks, formatter: formatLogTick },
  });
}

/** Where values lie so close together that 1, 2, 3, 5 and 7 would leave an axis without numbers. */
const WITHIN_A_DECADE = [1, 1.2, 1.4, 1.7, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9] as const;

/** log10 of 1, 2 and 5 times powers of ten over few decades, of more within one, of powers of ten over many. */
export function logTicks(min: number, max: number): number[] {
  const decades = max - min;
  const within = decades < 0.4 ? WITHIN_A_DECADE : [1, 2, 3, 5, 7];
  const mantissas = decades < 1.2 ? within : decades < 2.5 ? [1, 2, 5] : [1];
  const every = Math.max(1, Math.ceil(decades / 7));
  const ticks: number[] = [];
  for (let exponent = Math.floor(min); exponent <= Math.ceil(max); exponent++) {
    if (mantissas.length === 1 && exponent % every !== 0) continue;
    for (const mantissa of mantissas) {
      const tick = exponent + Math.log10(mantissa);
      if (tick >= min && tick <= max) ticks.push(tick);
    }
  }
  return ticks;
}

/** The range of the finite values, widened by a share of itself on either side; [0, 1] where there is none. */
export function extent(values: readonly (number | null)[], margin: number): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value === null || !Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (min > max) return { min: 0, max: 1 };
  const room = max > min ? (max - min) * margin : 0.5;
  return { min: min - room, max: max + room };
}

/** To two significant digits, so that an axis over steps ends in a round number: 999 to 1,000, 1,234 to 1,300. */
export function roundUp(value: number): number {
  const unit = 10 ** Math.max(0, Math.floor(Math.log10(value)) - 1);
  return Math.ceil(value / unit) * unit;
}

/** null, which a line chart leaves out, for what has no logarithm. */
export function log10OrGap(value: number): number | null {
  return Number.isFinite(value) && value > 0 ? Math.log10(value) : null;
}
