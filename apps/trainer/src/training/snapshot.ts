import type { Tensor4D } from '@tensorflow/tfjs-core';
import type { GateCurve, Spectrum } from '../report/report-data';

/** What is looked at while a model is trained. */
export type Snapshot = {
  /** `[N, H, W, 3]` in [-1, 1]. */
  readonly images: Tensor4D;
  readonly columns?: number;
  /** Of the images, and of what they should be like. */
  readonly spectra?: { readonly generated: Spectrum; readonly data: Spectrum };
  readonly gates?: readonly GateCurve[];
};

/** Draws a snapshot; its images are the caller's. The model has its averaged weights meanwhile. */
export type DrawSnapshot = () => Promise<Snapshot>;

/** `snapshot.json`: the numbers of the last snapshot. */
export type SnapshotFile = Omit<Snapshot, 'images' | 'columns'> & { readonly step: number };
