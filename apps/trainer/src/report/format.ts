import { duration } from '../console/progress';

/** What stands for a value that is not a finite number. */
export const MISSING = '—';

const PREFIXES = [
  [1e3, 'k'],
  [1e6, 'M'],
  [1e9, 'G'],
  [1e12, 'T'],
] as const;

function withPrefix(value: number, digits: number): string {
  if (!Number.isFinite(value)) return MISSING;
  if (value < 1e3) return value.toFixed(0);
  // As it is written: 999,960 is 1.0 M and not 1000.0 k.
  const written = PREFIXES.map(([unit, prefix]) => ({ digits: (value / unit).toFixed(digits), prefix }));
  const fitting = written.find((form) => Number(form.digits) < 1e3) ?? written[written.length - 1];
  return `${fitting.digits} ${fitting.prefix}`;
}

/** `274.1 M`: one decimal, as the paper counts parameters. */
export function formatParameters(value: number): string {
  return withPrefix(value, 1);
}

/** `6.73 G`: two decimals. */
export function formatMacs(value: number): string {
  return withPrefix(value, 2);
}

/** Three significant digits, and all digits before the point: `1,234`, `56.8`, `0.0123`. */
export function formatRate(value: number): string {
  if (!Number.isFinite(value)) return MISSING;
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

/** Three significant digits of any size: `0.0614`, `1.20e+5`, `7.50e-6`. */
export function formatSignificant(value: number): string {
  if (!Number.isFinite(value)) return MISSING;
  return value !== 0 && Math.abs(value) < 1e-4 ? value.toExponential(2) : value.toPrecision(3);
}

/** `0.123` */
export function formatError(value: number): string {
  return Number.isFinite(value) ? value.toFixed(3) : MISSING;
}

/** With a sign that is as wide as the digits: `+1.2`, `−0.4`. */
export function formatDecibels(value: number): string {
  if (!Number.isFinite(value)) return MISSING;
  const rounded = value.toFixed(1);
  return `${Number(rounded) < 0 ? '−' : '+'}${rounded.replace('-', '')} dB`;
}

/** `1,234` */
export function formatCount(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en') : MISSING;
}

/** `3.4 s` below ten seconds, then `12 s`, `3 min 20 s`, `1 h 02 min`. */
export function formatSeconds(value: number): string {
  if (!Number.isFinite(value)) return MISSING;
  return value < 9.95 ? `${value.toFixed(1)} s` : duration(value);
}

/**
 * How many times one value is another, in words that fit either way: `12.2× slimmer`, `1.3× larger`.
 * @returns null where it cannot be said.
 */
export function formatTimes(ratio: number, more: string, less: string): string | null {
  if (!Number.isFinite(ratio) || ratio <= 0) return null;
  const text = (value: number) => `${value.toFixed(value < 100 ? 1 : 0)}×`;
  if (text(ratio) === text(1 / ratio)) return 'the same';
  return ratio > 1 ? `${text(ratio)} ${more}` : `${text(1 / ratio)} ${less}`;
}

/** `8 × 8 × 4` */
export function formatShape(shape: readonly number[]): string {
  return shape.join(' × ');
}

/** `10⁻²`, and `0.5` where it is no power of ten. */
export function formatLogTick(exponent: number): string {
  const rounded = Math.round(exponent);
  if (Math.abs(exponent - rounded) < 1e-9 && (rounded > 3 || rounded < -2)) return `10${superscript(rounded)}`;
  const value = 10 ** exponent;
  const decade = Math.floor(exponent + 1e-9);
  if (decade < -3) return `${Number((value / 10 ** decade).toPrecision(2))}×10${superscript(decade)}`;
  return `${Number(value.toPrecision(2))}`;
}

function superscript(value: number): string {
  return String(value).replace(/[-\d]/g, (c) => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[Number(c)]));
}
