import { expect } from 'vitest';
import { recordError } from './measured-errors';
import { type FlatValues, flatValues, type Values } from './values';

/** The largest difference allowed: `relative` times `scale`, plus `absolute`. */
export type Tolerance = {
  readonly relative?: number;
  readonly absolute?: number;
  /** Default: the largest |expected|. For what is zero but for rounding: the size of what it was made of. */
  readonly scale?: number;
  /** In which column of docs/references.md the error counts; default value. */
  readonly of?: 'value' | 'gradient';
};

declare module 'vitest' {
  interface Matchers<T> {
    /**
     * Numbers agree: max|received - expected| <= relative * scale + absolute, scale = max|expected|, nothing is NaN, sizes agree (and
     * shapes, where both sides have one). Default `{ relative: 1e-5, absolute: 0 }`; a number means `relative`.
     * Await it where a side is a tensor.
     */
    toBeAllclose(expected: Values, tolerance?: number | Tolerance): Promise<void> & { readonly received?: T };
  }
}

/** Equality first, so that Infinity equals Infinity. */
const difference = (a: number, b: number) => (a === b ? 0 : Math.abs(a - b));

function compare(received: FlatValues, expected: FlatValues, limits: Tolerance, isNot: boolean) {
  const { relative = 1e-5, absolute = 0, of = 'value' } = limits;
  const [a, b] = [received.data, expected.data];
  if (a.length !== b.length) return { pass: false, message: () => `${a.length} values, expected ${b.length}` };
  if (received.shape && expected.shape && String(received.shape) !== String(expected.shape)) {
    return { pass: false, message: () => `shape [${received.shape}], expected [${expected.shape}]` };
  }
  let worst = -1;
  let worstDifference = -1;
  let scale = limits.scale ?? 0;
  for (let i = 0; i < b.length; i++) {
    const d = difference(a[i]!, b[i]!);
    if (limits.scale === undefined) scale = Math.max(scale, Math.abs(b[i]!));
    // NaN compares false with everything: the first one is the worst and stays it.
    if (!(d <= worstDifference) && !Number.isNaN(worstDifference)) [worst, worstDifference] = [i, d];
  }
  // An absolute allowance is a floor of the scale; alone it says nothing of a relative error.
  if (!isNot && b.length > 0 && relative > 0) {
    recordError(of, worstDifference === 0 ? 0 : worstDifference / (scale + absolute / relative));
  }
  const pass = b.length === 0 || worstDifference <= relative * scale + absolute;
  return {
    pass,
    message: () =>
      `worst at ${describeIndex(worst, received.shape ?? expected.shape)}: ${a[worst]}, expected ${b[worst]}; ` +
      `relative difference ${(worstDifference / scale).toExponential(2)} of ${limits.scale === undefined ? 'max|expected|' : 'scale'} = ${scale}, allowed ${relative}` +
      (absolute > 0 ? ` plus ${absolute} absolute` : ''),
  };
}

function describeIndex(index: number, shape: readonly number[] | null): string {
  if (!shape || shape.length < 2) return `[${index}]`;
  const indices: number[] = [];
  let rest = index;
  for (const size of [...shape].reverse()) {
    indices.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return `[${indices}]`;
}

expect.extend({
  toBeAllclose(received: Values, expected: Values, tolerance: number | Tolerance = {}) {
    const limits = typeof tolerance === 'number' ? { relative: tolerance } : tolerance;
    const [a, b] = [flatValues(received), flatValues(expected)];
    if (a instanceof Promise || b instanceof Promise) {
      return Promise.all([a, b]).then(([left, right]) => compare(left, right, limits, this.isNot));
    }
    return compare(a, b, limits, this.isNot);
  },
});
