import { float64View, readSafetensors, type StateDict, toFloat64, writeSafetensors } from '@sd/checkpoint';
import { ArgumentError, checkInteger, ShapeError } from '@sd/core';
import { checkDimension, checkRows, type FeatureRows } from './feature-rows';
import { addGram, mirrorLower } from './linear-algebra/add-gram';

/** Rows that are centered and added at once: as float64 of 2048 features, 4 MB. */
const CHUNK = 256;

/**
 * Mean and covariance of features, in float64, gathered batch by batch: a set of any size needs the memory of one batch
 * and of two D x D matrices. Batches are joined by Chan, Golub and LeVeque's formula, so that nothing cancels.
 */
export class FeatureStatistics {
  #count = 0;
  #mean = new Float64Array(0);
  /** Sum over the rows of (x - mean)(x - mean)^T, on and below the diagonal. */
  #scatter = new Float64Array(0);

  /** Number of samples so far. */
  get count(): number {
    return this.#count;
  }

  /** D, 0 before the first sample. */
  get dimension(): number {
    return this.#mean.length;
  }

  /** `[D]`, the caller's. @throws {ArgumentError} before the first sample. */
  mean(): Float64Array {
    this.#need('mean', 1);
    return this.#mean.slice();
  }

  /** The unbiased covariance `[D, D]`, row-major, the caller's. @throws {ArgumentError} for fewer than two samples. */
  covariance(): Float64Array {
    this.#need('covariance', 2);
    const result = this.#scatter.map((sum) => sum / (this.#count - 1));
    mirrorLower(result, this.dimension);
    return result;
  }

  /** Its trace. @throws {ArgumentError} for fewer than two samples. */
  totalVariance(): number {
    this.#need('totalVariance', 2);
    let trace = 0;
    for (let i = 0; i < this.dimension; i++) trace += this.#scatter[i * this.dimension + i]!;
    return trace / (this.#count - 1);
  }

  /**
   * Adds samples. D^2 / 2 multiplications each.
   * @param rows of the dimension of those before. Borrowed.
   * @throws {ArgumentError} on another dimension, or features that are not finite; nothing is added then.
   */
  add(rows: FeatureRows): this {
    checkRows('FeatureStatistics.add', 'rows', rows);
    this.#fit('FeatureStatistics.add', 'rows', rows.dimension);
    const { dimension } = rows;
    for (let start = 0; start < rows.count; start += CHUNK) {
      const count = Math.min(CHUNK, rows.count - start);
      const chunk = Float64Array.from(rows.values.subarray(start * dimension, (start + count) * dimension));
      const mean = new Float64Array(dimension);
      for (let r = 0; r < count; r++) for (let i = 0; i < dimension; i++) mean[i]! += chunk[r * dimension + i]! / count;
      for (let r = 0; r < count; r++) for (let i = 0; i < dimension; i++) chunk[r * dimension + i]! -= mean[i]!;
      addGram(this.#scatter, dimension, chunk, count, 1);
      this.#join(count, mean);
    }
    return this;
  }

  /**
   * Adds the samples of other statistics: the result is that of all samples together.
   * @param other Borrowed. @throws {ArgumentError} on another dimension.
   */
  merge(other: FeatureStatistics): this {
    if (other.#count === 0) return this;
    this.#fit('FeatureStatistics.merge', 'other', other.dimension);
    const { length } = this.#scatter;
    const [mine, theirs] = [this.#scatter, other.#scatter];
    for (let i = 0; i < length; i++) mine[i]! += theirs[i]!;
    this.#join(other.#count, other.#mean);
    return this;
  }

  /**
   * The statistics as a safetensors file: F64 `mean` `[D]` and `covariance` `[D, D]`, and `count` `[]`.
   * @throws {ArgumentError} for fewer than two samples.
   */
  save(): Uint8Array<ArrayBuffer> {
    const d = this.dimension;
    return writeSafetensors(
      new Map([
        ['mean', float64View(this.mean(), [d])],
        ['covariance', float64View(this.covariance(), [d, d])],
        ['count', float64View(Float64Array.of(this.#count), [])],
      ]),
    );
  }

  /**
   * Statistics that `save` wrote, or of other software as a file of the same layout.
   * @throws {ArgumentError} on other tensors, values that are not finite, and a covariance that is not symmetric.
   * @throws {ShapeError} on other shapes. @throws {CheckpointError} on other files.
   */
  static load(bytes: Uint8Array): FeatureStatistics {
    const op = 'FeatureStatistics.load';
    const { tensors } = readSafetensors(bytes);
    const d = tensors.get('mean')?.shape[0] ?? 0;
    const mean = checkedValues(op, tensors, 'mean', [d]);
    const covariance = checkedValues(op, tensors, 'covariance', [d, d]);
    const [count] = checkedValues(op, tensors, 'count', []);
    checkInteger(op, 'count', count!, 2);
    const statistics = new FeatureStatistics();
    statistics.#count = count!;
    statistics.#mean = mean;
    statistics.#scatter = covariance.map((value) => value * (count! - 1));
    const largest = covariance.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    for (let i = 0; i < d; i++) {
      for (let j = 0; j <= i; j++) {
        const [below, above] = [covariance[i * d + j]!, covariance[j * d + i]!];
        if (Math.abs(below - above) > 1e-6 * largest || (i === j && below < 0)) {
          const place = `covariance[${i}, ${j}] and [${j}, ${i}]`;
          throw new ArgumentError(op, place, 'equal, and >= 0 on the diagonal', [below, above]);
        }
      }
    }
    return statistics;
  }

  #fit(operation: string, argument: string, dimension: number): void {
    if (this.dimension === 0) {
      this.#mean = new Float64Array(dimension);
      this.#scatter = new Float64Array(dimension ** 2);
    } else {
      checkDimension(operation, argument, dimension, this.dimension);
    }
  }

  /** Joins the mean of `count` further samples, whose scatter about that mean has been added already. */
  #join(count: number, mean: Float64Array): void {
    const total = this.#count + count;
    const difference = mean.map((value, i) => value - this.#mean[i]!);
    if (this.#count > 0) {
      addGram(this.#scatter, this.dimension, difference, 1, (this.#count * count) / total);
    }
    for (let i = 0; i < difference.length; i++) this.#mean[i]! += (difference[i]! * count) / total;
    this.#count = total;
  }

  #need(method: string, samples: number): void {
    if (this.#count < samples) {
      throw new ArgumentError(`FeatureStatistics.${method}`, 'samples', `at least ${samples}`, this.#count);
    }
  }
}

/**
 * Statistics of a set that is in memory.
 * @param rows at least two samples. Borrowed.
 * @throws {ArgumentError} on fewer samples, or features that are not finite.
 */
export function featureStatistics(rows: FeatureRows): FeatureStatistics {
  checkRows('featureStatistics', 'rows', rows, 2);
  return new FeatureStatistics().add(rows);
}

function checkedValues(
  op: string,
  tensors: StateDict,
  name: string,
  shape: readonly number[],
): Float64Array<ArrayBuffer> {
  const view = tensors.get(name);
  if (view === undefined) throw new ArgumentError(op, 'tensors', `mean, covariance and count`, [...tensors.keys()]);
  if (String(view.shape) !== String(shape) || shape.some((size) => size < 1)) {
    throw new ShapeError(op, name, `[${shape.map((size) => Math.max(size, 1)).join(', ')}]`, view.shape);
  }
  const values = toFloat64(view);
  const wrong = values.findIndex((value) => !Number.isFinite(value));
  if (wrong !== -1) throw new ArgumentError(op, `element ${wrong} of ${name}`, 'finite', values[wrong]);
  return values;
}
