import type { Sheet } from '../protocol';

type Color = readonly [number, number, number];

/** Dark to bright, in even steps of lightness (after Okabe-Ito's hues, legible to most eyes). */
const SHADES: readonly Color[] = [
  [18, 16, 40],
  [61, 43, 110],
  [132, 58, 124],
  [202, 84, 96],
  [242, 146, 74],
  [252, 228, 150],
];
const LESS: readonly Color[] = [
  [244, 242, 238],
  [120, 176, 220],
  [12, 92, 160],
];
const MORE: readonly Color[] = [
  [244, 242, 238],
  [240, 168, 104],
  [184, 74, 8],
];

/** Square of values, from the first to the second of `range`. */
export function shadedSheet(values: ArrayLike<number>, size: number, [low, high]: readonly [number, number]): Sheet {
  return mapped(values, size, (value) => mix(SHADES, (value - low) / (high - low || 1)));
}

/** Square of values around 0: blue below, orange above, full at `scale`. */
export function divergingSheet(values: ArrayLike<number>, size: number, scale: number): Sheet {
  return mapped(values, size, (value) => mix(value < 0 ? LESS : MORE, Math.abs(value) / (scale || 1)));
}

function mapped(values: ArrayLike<number>, size: number, color: (value: number) => Color): Sheet {
  const pixels = new Uint8ClampedArray(4 * size * size).fill(255);
  for (let i = 0; i < size * size; i++) pixels.set(color(values[i]), 4 * i);
  return { width: size, height: size, columns: 1, count: 1, pixels };
}

function mix(colors: readonly Color[], share: number): Color {
  const at = Math.min(1, Math.max(0, share)) * (colors.length - 1);
  const index = Math.min(colors.length - 2, Math.floor(at));
  const [a, b] = [colors[index], colors[index + 1]];
  const part = at - index;
  return [0, 1, 2].map((c) => a[c] + (b[c] - a[c]) * part) as unknown as Color;
}
