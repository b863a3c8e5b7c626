/** Fraction of Nyquist's frequency from which on the report calls a frequency high. */
export const HIGH_FREQUENCY = 0.25;

/** Marks the high frequencies of a chart over frequency: a shade, a rule and words. */
export function highFrequencyMarks() {
  return {
    markArea: {
      silent: true,
      itemStyle: { color: 'var(--shade)' },
      data: [[{ xAxis: HIGH_FREQUENCY }, { xAxis: 1 }]],
      label: { show: false },
    },
    markLine: {
      silent: true,
      symbol: 'none',
      lineStyle: { color: 'var(--axis)', type: [3, 3], width: 1 },
      label: {
        show: true,
        formatter: 'high frequencies, r ≥ 0.25',
        position: 'end',
        align: 'left',
        distance: [6, 4],
        color: 'var(--muted)',
        fontSize: 11,
      },
      data: [{ xAxis: HIGH_FREQUENCY }],
    },
  };
}
