/** Base of every error that the @sd packages throw on purpose. */
export class SpectralDiffusionError extends Error {
  override readonly name: string = 'SpectralDiffusionError';
}

/** An argument whose value is not allowed: names the operation, the argument, what was expected and what came. */
export class ArgumentError extends SpectralDiffusionError {
  override readonly name = 'ArgumentError';

  constructor(operation: string, argument: string, expected: string, actual: unknown) {
    super(`${operation}: ${argument} must be ${expected}, got ${formatValue(actual)}`);
  }
}

/** A tensor whose shape is not the expected one, as in `haarDwt2d: x must be [N, even, even, C], got [1, 7, 8, 4]`. */
export class ShapeError extends SpectralDiffusionError {
  override readonly name = 'ShapeError';

  constructor(operation: string, argument: string, expected: string, actual: readonly (number | null)[]) {
    super(`${operation}: ${argument} must be ${expected}, got [${actual.map(String).join(', ')}]`);
  }
}

const LONGEST = 200;

/** Writes a value into an error message, short and on one line. */
export function formatValue(value: unknown): string {
  const text = formatWhole(value).replace(/\s+/g, ' ');
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}...` : text;
}

function formatWhole(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'function') return `function ${value.name}`.trimEnd();
  if (Array.isArray(value)) return `[${value.map(formatWhole).join(', ')}]`;
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) return formatWhole(Array.from(value as Float64Array));
  if (value !== null && typeof value === 'object') return JSON.stringify(value);
  return String(value);
}
