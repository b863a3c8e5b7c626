import { createHash } from 'node:crypto';
import type { Rank, Tensor3D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { OpenProgress } from '../console/progress';
import { encodedLength, newLatentIndex } from '../data/latent-shards';
import { Latents, startOf } from '../data/latents';
import { ShardWriter } from '../data/shard-writer';
import type { Captions } from './captions';
import type { TextEncoder } from './text-encoder';

const ENCODE_BATCH = 32;

/** The encoded texts of a training's images. */
export class TextContexts {
  /** @param contexts a row for each text, `[texts, tokens, width, 1]`; the first is that of the empty text. */
  constructor(
    private readonly captions: Captions,
    private readonly contexts: Latents,
    /** Of the encoder. */
    readonly identity: string,
  ) {}

  get width(): number {
    return this.contexts.shape[2];
  }

  get tokens(): number {
    return this.contexts.shape[1];
  }

  /**
   * The context of each image, of one of its texts by chance; of the empty text where it is left out.
   * @param draws a number in [0, 1) for each, which chooses the text.
   * @returns `[indices, tokens, width]`. Owned by the caller.
   */
  async batch(indices: ArrayLike<number>, leftOut: readonly boolean[], draws: ArrayLike<number>): Promise<Tensor3D> {
    const rows = Array.from(indices, (index, i) => {
      const places = this.captions.ofImages[index];
      return leftOut[i] || places.length === 0 ? 0 : places[Math.floor(draws[i] * places.length)];
    });
    const values = await this.contexts.batch(rows);
    try {
      return tf.reshape<Rank.R3>(values, [rows.length, this.tokens, this.width]);
    } finally {
      values.dispose();
    }
  }

  close(): Promise<void> {
    return this.contexts.close();
  }
}

/**
 * Encodes every text once, into a folder, going on where it was stopped.
 * @throws the signal's reason when it is aborted; what is complete by then stays. @throws {UserError}
 */
export async function encodeTexts(
  encoder: TextEncoder,
  captions: Captions,
  folder: string,
  openProgress: OpenProgress,
  options: {
    readonly signal?: AbortSignal | undefined;
    readonly report?: (line: string) => void;
    readonly shardBytes?: number;
  } = {},
): Promise<TextContexts> {
  const { signal, report = () => {}, shardBytes } = options;
  const { texts } = captions;
  const identity = identityOf(encoder.identity, texts);
  const start = await startOf(folder, identity, texts.length, report);
  const index =
    start ??
    newLatentIndex({
      description: `${texts.length} texts`,
      scaleFactor: 1,
      shape: [texts.length, encoder.tokens, encoder.width, 1],
      identity,
    });
  const writer = new ShardWriter(folder, index, { shardBytes });
  const begun = encodedLength(index);
  if (begun < texts.length) {
    const progress = openProgress('encode texts', texts.length, 'text');
    try {
      for (let first = begun; first < texts.length; first += ENCODE_BATCH) {
        signal?.throwIfAborted();
        const context = encoder.encode(texts.slice(first, first + ENCODE_BATCH));
        const values = Float32Array.from(await context.data());
        context.dispose();
        await writer.add(values);
        progress.update(Math.min(first + ENCODE_BATCH, texts.length));
        await new Promise(setImmediate);
      }
    } finally {
      progress.stop();
    }
  }
  return openContexts(encoder.identity, captions, folder);
}

/** Opens what `encodeTexts` made. @throws {UserError} where it is missing, unfinished or of other texts. */
export async function openContexts(encoder: string, captions: Captions, folder: string): Promise<TextContexts> {
  return new TextContexts(captions, await Latents.load(folder), encoder);
}

function identityOf(encoder: string, texts: readonly string[]): string {
  return createHash('sha256')
    .update(JSON.stringify([encoder, texts]))
    .digest('hex');
}
