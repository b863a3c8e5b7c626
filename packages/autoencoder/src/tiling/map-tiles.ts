import { checkInteger, checkRange, letEventsIn } from '@sd/core';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type Tile, tilesOf } from './tiles';

export type TiledOptions = {
  /** Height and width of a tile in pixels of the *image*, a multiple of the model's factor; 512 by default. */
  readonly tileSize?: number;
  /** Share of a tile that it has in common with the next, in [0, 1): 0.25 by default, as in diffusers. */
  readonly overlap?: number;
  /** Called after each tile, with how many of how many are done. */
  readonly onTile?: (done: number, total: number) => void;
  /** Stops between two tiles, letting events in before each; the promise is rejected with the signal's reason. */
  readonly signal?: AbortSignal;
};

/** A network on tiles: what it takes and gives, per axis, in a unit that both sides are whole multiples of. */
export type TileNetwork = {
  /** `[N, h, w, C]` to `[N, h out / in, w out / in, C']`. Borrows its argument, owns its result. */
  readonly forward: (tile: Tensor4D) => Tensor4D;
  /** Pixels of the input to a latent pixel, and of the output. */
  readonly inFactor: number;
  readonly outFactor: number;
};

/**
 * Applies a network to overlapping tiles and blends their outputs linearly. No more than one tile is on the backend at a
 * time beside the input; the output is collected in the program's memory, and only put on the backend when it is
 * complete. Nothing of it can be differentiated.
 *
 * @param x `[N, H, W, C]`, borrowed. @returns owned by the caller. @throws {ArgumentError} @throws the signal's reason.
 */
export async function mapTiles(
  operation: string,
  x: Tensor4D,
  { forward, inFactor, outFactor }: TileNetwork,
  { tileSize = 512, overlap = 0.25, onTile, signal }: TiledOptions,
  factor: number,
): Promise<Tensor4D> {
  checkInteger(operation, 'tileSize / factor', tileSize / factor);
  checkRange(operation, 'overlap', overlap, 0, 1 - 2 ** -20);
  const size = tileSize / factor; // in latent pixels, as all below
  const step = Math.max(1, Math.floor(size * (1 - overlap)));
  const [n, height, width, channels] = x.shape;
  const axis = (length: number) => {
    const inputs = tilesOf(length / inFactor, size, step);
    return { inputs, outputs: tilesOf((length / inFactor) * outFactor, size * outFactor, step * outFactor) };
  };
  const [rows, columns] = [axis(height), axis(width)];
  const total = rows.inputs.length * columns.inputs.length;
  const [outHeight, outWidth] = [height, width].map((length) => (length / inFactor) * outFactor);
  let collected: Float32Array | undefined;
  let outChannels = 0;
  for (let done = 0; done < total; ) {
    if (signal !== undefined) await letEventsIn();
    signal?.throwIfAborted();
    const [r, c] = [Math.floor(done / columns.inputs.length), done % columns.inputs.length];
    const [row, column] = [rows.inputs[r], columns.inputs[c]];
    const begin = [0, row.begin * inFactor, column.begin * inFactor, 0];
    const tile = tf.tidy(() => forward(tf.slice(x, begin, [n, row.size * inFactor, column.size * inFactor, channels])));
    try {
      outChannels = tile.shape[3];
      collected ??= new Float32Array(n * outHeight * outWidth * outChannels);
      const values = (await tile.data()) as Float32Array;
      addTile(collected, [n, outHeight, outWidth, outChannels], values, rows.outputs[r], columns.outputs[c]);
    } finally {
      tile.dispose();
    }
    done++;
    onTile?.(done, total);
  }
  signal?.throwIfAborted();
  return tf.tensor4d(collected as Float32Array, [n, outHeight, outWidth, outChannels]);
}

/** Adds a tile, times its shares, at its place. */
function addTile(
  into: Float32Array,
  [samples, height, width, channels]: readonly [number, number, number, number],
  values: Float32Array,
  row: Tile,
  column: Tile,
): void {
  let next = 0;
  for (let n = 0; n < samples; n++) {
    for (let y = 0; y < row.size; y++) {
      const line = ((n * height + row.begin + y) * width + column.begin) * channels;
      for (let x = 0; x < column.size; x++) {
        const share = row.weights[y] * column.weights[x];
        for (let c = 0; c < channels; c++) into[line + x * channels + c] += share * values[next++];
      }
    }
  }
}
