import { MAX_DIMENSIONS } from '../safetensors-header';
import type { Fail } from './fail';
import { describeValue, type OpaqueObject, PickleList, type PickleValue } from './pickle-values';

/** What a call of the pickle is carried out with. */
export type CallContext = {
  readonly fail: Fail;
  /** Counts work beyond the constant, which in all must stay linear in the bytes read. @throws where it does not. */
  readonly spend: (amount: number) => void;
  /** What stands for an object that is not read. */
  readonly opaque: (name: string, how: OpaqueObject['how']) => OpaqueObject;
};

/** Carries out one call. Borrows its arguments. @throws what the context's `fail` returns. */
export type Call = (args: readonly PickleValue[], context: CallContext) => PickleValue;

/** The integers of a tuple such as a shape. @throws what `fail` returns where it is none. */
export function integers(part: string, value: PickleValue | undefined, fail: Fail): number[] {
  if (!(value instanceof PickleList)) throw fail(part, 'a tuple', describeValue(value ?? null));
  if (value.items.length > MAX_DIMENSIONS) {
    throw fail(part, `of at most ${MAX_DIMENSIONS} dimensions`, `${value.items.length}`);
  }
  return value.items.map((item) => {
    if (typeof item === 'number' && Number.isSafeInteger(item) && item >= 0) return item;
    throw fail(part, 'of integers of 0 .. 2^53 - 1', describeValue(item));
  });
}

/** @throws what `fail` returns where the value is no text. */
export function textArgument(value: PickleValue | undefined, fail: Fail): string {
  if (typeof value === 'string') return value;
  throw fail('argument', 'text', describeValue(value ?? null));
}
