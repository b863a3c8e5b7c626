import type { Rows, RowsLayout } from './rows';

/** Images and their heads: attention is among the tokens of each pair. */
export type Pairs = { readonly images: number; readonly heads: number };

/** What attention is given: rows of queries and keys of D values, of values of E. */
export type Attended = { readonly pairs: Pairs; readonly q: Rows; readonly k: Rows; readonly v: Rows };

/** What its gradients are given: also the result, and the gradient by it. */
export type AttendedBack = Attended & { readonly y: Rows; readonly dy: Rows };

/** A new tensor, and where rows of heads lie in it. */
export type Result = { readonly shape: readonly number[]; readonly layout: RowsLayout };
