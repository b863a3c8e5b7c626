import { appendFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';

/** One comparison of a test. */
export type MeasuredError = {
  readonly backend: string;
  readonly of: 'value' | 'gradient';
  /** max|received - expected| / max|expected|, or null where that is no finite number. */
  readonly error: number | null;
};

/** Appends a line of JSON to the file that `SD_MEASURED` names; without one it does nothing. */
export function recordError(of: MeasuredError['of'], error: number): void {
  const file = process.env.SD_MEASURED;
  if (file === undefined) return;
  const measured: MeasuredError = { backend: tf.getBackend(), of, error: Number.isFinite(error) ? error : null };
  appendFileSync(file, `${JSON.stringify(measured)}\n`);
}
