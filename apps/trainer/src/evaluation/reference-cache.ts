import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, float32View, readSafetensors, toFloat64, writeSafetensors } from '@sd/checkpoint';
import { SpectralDiffusionError } from '@sd/core';
import { FeatureStatistics, featureRows } from '@sd/metrics';
import { type SpectrumState, SpectrumStatistics } from '@sd/spectral-loss';
import { writeAtomically } from '../files/atomic-file';
import type { FeatureExtractor } from './feature-extractor';
import type { SetStatistics } from './set-statistics';

/** Raised when the meaning of a file's contents changes. */
const FORMAT = 'sd-reference-statistics-1';

/** What statistics depend on. */
export type ReferenceKey = {
  /** SHA-256 of the images' pixels. */
  readonly data: string;
  readonly extractor: Pick<FeatureExtractor, 'network' | 'sha256'>;
  readonly keptRows: number;
};

/** Statistics of reference images on disk, a file for each set, feature network and number of rows. */
export class ReferenceCache {
  constructor(readonly folder: string) {}

  path({ data, extractor, keptRows }: ReferenceKey): string {
    const key = JSON.stringify([FORMAT, data, extractor.network, extractor.sha256, keptRows]);
    return join(this.folder, `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.safetensors`);
  }

  /** @returns undefined where there is none, or none that can be used: it is then computed again. */
  async load(key: ReferenceKey): Promise<SetStatistics | undefined> {
    try {
      const bytes = await readFile(this.path(key));
      const { tensors, metadata } = readSafetensors(bytes);
      const rows = tensors.get('rows');
      if (metadata.format !== FORMAT || metadata.data !== key.data || rows?.shape.length !== 2) return undefined;
      const statistics = new Map([...tensors].filter(([name]) => name !== 'rows'));
      return {
        features: FeatureStatistics.load(writeSafetensors(statistics)),
        rows: featureRows(toFloat64(rows), rows.shape[1]),
        spectrum: SpectrumStatistics.fromJSON(JSON.parse(metadata.spectrum ?? 'null') as SpectrumState),
      };
    } catch (error) {
      const unusable = [CheckpointError, SpectralDiffusionError, SyntaxError, TypeError];
      if (unusable.some((kind) => error instanceof kind)) return undefined;
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /** @throws {UserError} when it cannot be written. */
  async save(key: ReferenceKey, { features, rows, spectrum }: SetStatistics): Promise<void> {
    const { tensors } = readSafetensors(features.save());
    const values = Float32Array.from(rows.values); // features are float32: nothing is lost
    tensors.set('rows', float32View(values, [rows.count, rows.dimension]));
    const metadata = { format: FORMAT, data: key.data, spectrum: JSON.stringify(spectrum) };
    await writeAtomically(this.path(key), writeSafetensors(tensors, metadata));
  }
}
