import { ArgumentError, checkAlive, checkInteger, checkShape, permutation, type RandomKey } from '@sd/core';
import { Module, type Parameter, uniformInit } from '@sd/nn';
import type { Scalar, Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { stopGradient, straightThrough, withoutGradient } from './stop-gradient';

export type VectorQuantizerConfig = {
  /** Entries of the codebook. */
  readonly nEmbed: number;
  /** Channels of an entry. */
  readonly embedDim: number;
  /** Weight of one part of the loss. */
  readonly beta: number;
  /** Does beta weigh the term that moves the codebook (true, the default), or the one that moves the encoder? */
  readonly legacyBeta?: boolean;
};

/** All owned by the caller. */
export type Quantization = {
  /** `[N, h, w, embedDim]`: the nearest entries, with the straight-through gradient. */
  quantized: Tensor4D;
  /** `[N, h, w]`, int32. */
  indices: Tensor3D;
  /** mean((sg[zq] - z)^2) + beta mean((zq - sg[z])^2); without `legacyBeta` it is the first term that beta weighs. */
  loss: Scalar;
  /** exp of the entropy of the entries' use in this batch: between 1 and the number of entries. Has no gradient. */
  perplexity: Scalar;
};

/** Distances held at once: 64 MiB. */
const MAX_DISTANCES = 2 ** 24;

/**
 * taming-transformers' VectorQuantizer2, by default with its legacy loss, which LDM uses: beta weighs the term that moves
 * the codebook, not the one that moves the encoder. State: `embedding.weight` `[nEmbed, embedDim]`.
 */
export class VectorQuantizer extends Module {
  readonly codebook: Parameter;

  constructor(readonly config: VectorQuantizerConfig) {
    super();
    const { nEmbed, embedDim, beta } = config;
    checkInteger('VectorQuantizer', 'nEmbed', nEmbed);
    checkInteger('VectorQuantizer', 'embedDim', embedDim);
    checkBeta('VectorQuantizer', beta);
    this.codebook = this.param('embedding.weight', [nEmbed, embedDim], uniformInit(1 / nEmbed));
  }

  /** @param z `[N, h, w, embedDim]`. Borrowed. @throws {ShapeError} */
  forward(z: Tensor4D): Quantization {
    const { nEmbed, beta, legacyBeta = true } = this.config;
    return tf.tidy(() => {
      const indices = this.nearest(z);
      const entries = this.lookup(indices);
      const encoderTerm = meanSquare(tf.sub(stopGradient(entries), z));
      const codebookTerm = meanSquare(tf.sub(entries, stopGradient(z)));
      return {
        quantized: straightThrough(z, entries),
        indices,
        loss: legacyBeta
          ? tf.add(encoderTerm, tf.mul(codebookTerm, beta))
          : tf.add(tf.mul(encoderTerm, beta), codebookTerm),
        perplexity: withoutGradient(() => perplexity(indices, nEmbed)),
      };
    });
  }

  /**
   * Index of the entry at the smallest Euclidean distance of each latent pixel, the first of equals.
   * @param z `[N, h, w, embedDim]`. Borrowed. @returns `[N, h, w]`, int32, without gradient. Owned by the caller.
   * @throws {ShapeError}
   */
  nearest(z: Tensor4D): Tensor3D {
    const { nEmbed, embedDim } = this.config;
    checkShape('VectorQuantizer', 'z', z, ['N', 'h', 'w', embedDim]);
    const codebook = this.codebook.value as Tensor as Tensor2D;
    const [n, h, w] = z.shape;
    return withoutGradient(() => {
      const rows = tf.reshape(z, [-1, embedDim]); // [P, D]
      // |z - e|^2 = |z|^2 - 2 z.e + |e|^2, of which |z|^2 is the same for all entries
      const doubled = tf.mul(tf.transpose(codebook), -2) as Tensor2D; // [D, K]
      const norms = tf.sum(tf.square(codebook), 1); // [K]
      const step = Math.max(1, Math.floor(MAX_DISTANCES / nEmbed));
      const chunks: Tensor1D[] = [];
      for (let begin = 0; begin < rows.shape[0]; begin += step) {
        chunks.push(
          tf.tidy(() => {
            const chunk = tf.slice(rows, [begin, 0], [Math.min(step, rows.shape[0] - begin), embedDim]); // [p, D]
            return tf.argMin(tf.add(tf.matMul(chunk, doubled), norms), 1); // [p]
          }),
        );
      }
      const all = chunks.length === 1 ? chunks[0] : tf.concat(chunks);
      return tf.reshape(all, [n, h, w]);
    });
  }

  /**
   * The codebook's entries; the gradient goes to the codebook.
   * @param indices `[N, h, w]`, int32, each in [0, nEmbed). Borrowed.
   * @returns `[N, h, w, embedDim]`. Owned by the caller. @throws {ShapeError} @throws {ArgumentError}
   */
  lookup(indices: Tensor3D): Tensor4D {
    checkShape('VectorQuantizer.lookup', 'indices', indices, ['N', 'h', 'w']);
    if (indices.dtype !== 'int32') throw new ArgumentError('VectorQuantizer.lookup', 'indices', 'int32', indices.dtype);
    const codebook = this.codebook.value as Tensor as Tensor2D;
    return tf.tidy(() => {
      const rows = tf.gather(codebook, tf.reshape(indices, [-1])); // [P, D]
      return tf.reshape(rows, [...indices.shape, this.config.embedDim]);
    });
  }

  /**
   * Sets the codebook to latent pixels drawn without repetition. [O]: LDM starts within 1 / nEmbed of 0, from where a
   * short training reaches a handful of entries.
   *
   * @param z `[N, h, w, embedDim]` with at least nEmbed pixels, from the untrained encoder. Borrowed.
   * @throws {ShapeError} @throws {ArgumentError} where z has fewer pixels.
   */
  initializeFrom(z: Tensor4D, key: RandomKey): void {
    const { nEmbed, embedDim } = this.config;
    checkShape('VectorQuantizer.initializeFrom', 'z', z, ['N', 'h', 'w', embedDim]);
    const pixels = z.size / embedDim;
    if (pixels < nEmbed) {
      throw new ArgumentError('VectorQuantizer.initializeFrom', 'z', `a batch of at least ${nEmbed} pixels`, pixels);
    }
    const chosen = permutation(key, pixels).slice(0, nEmbed);
    tf.tidy(() => this.codebook.assign(tf.gather(tf.reshape(z, [-1, embedDim]), tf.tensor1d(chosen, 'int32'))));
  }
}

/**
 * exp of the entropy of the use of a codebook: -sum p log p, p the share of each entry.
 * @param indices int32, any shape, each in [0, nEmbed). Borrowed. @returns a scalar. Owned by the caller.
 */
export function perplexity(indices: Tensor, nEmbed: number): Scalar {
  checkAlive('perplexity', 'indices', indices);
  return tf.tidy(() => {
    const counts = tf.bincount(tf.reshape(indices, [-1]) as Tensor1D, tf.tensor1d([]), nEmbed); // [K]
    const share = tf.div(counts, indices.size);
    const negativeEntropy: Scalar = tf.sum(tf.mul(share, tf.log(tf.add(share, 1e-10)))); // taming's 1e-10: 0 log 0 = 0
    return tf.exp(tf.neg(negativeEntropy));
  });
}

/** @throws {ArgumentError} */
export function checkBeta(operation: string, beta: number): void {
  if (!Number.isFinite(beta) || beta < 0) throw new ArgumentError(operation, 'beta', 'a number >= 0', beta);
}

function meanSquare(x: Tensor): Scalar {
  return tf.mean(tf.square(x));
}
