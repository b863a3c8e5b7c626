// CPU seconds of the distances: `npx tsx packages/metrics/scripts/bench-distances.ts [features] [samples]`. Other load on
// the machine disturbs CPU time less than time, but does: the caches are shared.
import { normalArray, randomKey } from '@sd/core';
import {
  type FeatureRows,
  featureRows,
  featureStatistics,
  frechetDistance,
  kernelDistance,
  precisionRecall,
} from '../src';

const [dimension = 2048, samples = 2500] = process.argv.slice(2).map(Number);

function random(seed: number): FeatureRows {
  return featureRows(Float32Array.from(normalArray(randomKey(seed), samples * dimension)), dimension);
}

function seconds<T>(name: string, run: () => T): T {
  const before = process.cpuUsage();
  const result = run();
  const { user, system } = process.cpuUsage(before);
  console.log(`${name.padEnd(48)} ${((user + system) / 1e6).toFixed(1)} s`);
  return result;
}

console.log(`${samples} samples of ${dimension} features, CPU time`);
const [a, b] = [random(1), random(2)];
const first = seconds('featureStatistics', () => featureStatistics(a));
const second = seconds('featureStatistics', () => featureStatistics(b));
seconds('frechetDistance', () => frechetDistance(first, second));
const part = (rows: FeatureRows, count: number) => featureRows(rows.values.subarray(0, count * dimension), dimension);
const size = Math.min(1000, samples);
seconds(`kernelDistance of ${size} samples (one subset)`, () => kernelDistance(part(a, size), part(b, size)));
seconds(`precisionRecall of ${samples} samples`, () => precisionRecall(a, b));
