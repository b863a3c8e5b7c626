/** Share of the whole run over which a loss is averaged. */
const WINDOW = 0.03;

/**
 * A Gaussian mean over neighbors, centered, so that nothing lags; its window is cut at the ends.
 * @param values null is left out of the means.
 */
export function smooth(values: readonly (number | null)[], window = WINDOW): (number | null)[] {
  const sigma = Math.max(1, window * values.length);
  const reach = Math.ceil(3 * sigma);
  return values.map((_, i) => {
    let sum = 0;
    let total = 0;
    for (let j = Math.max(0, i - reach); j <= Math.min(values.length - 1, i + reach); j++) {
      const value = values[j];
      if (value === null) continue;
      const weight = Math.exp(-0.5 * ((i - j) / sigma) ** 2);
      sum += weight * value;
      total += weight;
    }
    return total > 0 ? sum / total : null;
  });
}

/** Means of neighbors, so that at most `most` points remain: a page need not hold every step of a long training. */
export function thin<T extends { readonly step: number; readonly value: number }>(
  points: readonly T[],
  most = 300,
): { readonly step: number; readonly value: number }[] {
  const every = Math.ceil(points.length / most);
  if (every <= 1) return [...points];
  return Array.from({ length: Math.ceil(points.length / every) }, (_, i) => {
    const group = points.slice(i * every, (i + 1) * every);
    const mean = (pick: (point: T) => number) => group.reduce((sum, point) => sum + pick(point), 0) / group.length;
    return { step: Math.round(mean(({ step }) => step)), value: mean(({ value }) => value) };
  });
}
