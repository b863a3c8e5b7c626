import { randomKey, uniform } from '@sd/core';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test, vi } from 'vitest';
import { AutoencoderKL } from '../autoencoder-kl';
import { images, smallKL, smallVQ } from '../testing';
import { AutoencoderTiny } from '../tiny/autoencoder-tiny';
import { tinyPresets } from '../tiny/presets';
import { VQModel } from '../vq-model';
import { decodeTiled } from './decode-tiled';
import { encodeTiled } from './encode-tiled';
import { mapTiles } from './map-tiles';
import { tilesOf } from './tiles';

const identity = { forward: (tile: tf.Tensor4D) => tf.clone(tile), inFactor: 1, outFactor: 1 };

test('tiles cover an axis, and their shares at a pixel add up to 1 and grow linearly', () => {
  for (const [length, size, step] of [
    [10, 4, 3],
    [10, 4, 1],
    [7, 7, 5],
    [3, 8, 6],
    [9, 4, 4],
    [100, 32, 24],
  ] as const) {
    const sum = new Float64Array(length);
    for (const { begin, size: width, weights } of tilesOf(length, size, step)) {
      expect(width).toBe(Math.min(size, length));
      for (const [p, share] of weights.entries()) sum[begin + p] += share;
    }
    expect(sum).toBeAllclose(new Float64Array(length).fill(1), 1e-6);
  }
  const [first, second] = tilesOf(12, 8, 4);
  expect(first.weights).toBeAllclose([1, 1, 1, 1, 1, 0.75, 0.5, 0.25]);
  expect(second.weights).toBeAllclose([0, 0.25, 0.5, 0.75, 1, 1, 1, 1]);
});

describeBackends(['cpu', 'wasm'], () => {
  test('the identity by tiles is the identity, whatever the sizes', async () => {
    const x = uniform<tf.Rank.R4>(randomKey(1), [2, 13, 9, 2]);
    for (const [tileSize, overlap] of [
      [4, 0.25],
      [4, 0],
      [5, 0.8],
      [32, 0.5],
    ]) {
      const y = await expectTensors(1, () => mapTiles('test', x, identity, { tileSize, overlap }, 1));
      await expect(y).toBeAllclose(x, 1e-6);
      y.dispose();
    }
  });

  test('where one tile is enough, encoding and decoding are those of the whole', async () => {
    const kl = new AutoencoderKL(smallKL).initialize(randomKey(1));
    const x = images(2);
    const [posterior, tiled] = [kl.encode(x), await encodeTiled(kl, x)];
    await expect(tiled.mean).toBeAllclose(posterior.mean, 0);
    await expect(tiled.logvar).toBeAllclose(posterior.logvar, 0);
    await expect(await decodeTiled(kl, posterior.mean)).toBeAllclose(kl.decode(posterior.mean), 0);
    const vq = new VQModel(smallVQ).initialize(randomKey(1));
    const z = await encodeTiled(vq, x);
    await expect(z).toBeAllclose(vq.encode(x), 0);
    await expect(await decodeTiled(vq, z)).toBeAllclose(vq.decode(z), 0);
    kl.dispose();
    vq.dispose();
  });
});

describeBackends(['wasm'], () => {
  const config = { ...tinyPresets.taesd, encoderCh: 8, decoderCh: 8, encoderBlocks: [0, 1], decoderBlocks: [1, 0] };

  test('a network that sees less far than half an overlap gives the whole image again but for the blending', async () => {
    // one latent pixel sees 4 others around it here: at the middle of an overlap of 16 no tile's edge is seen
    const model = new AutoencoderTiny(config).initialize(randomKey(1));
    const z = uniform<tf.Rank.R4>(randomKey(2), [1, 40, 56, 4], -2, 2);
    const whole = model.decode(z);
    const tiled = await decodeTiled(model, z, { tileSize: 64, overlap: 0.5 });
    await expect(tiled).toBeAllclose(whole, 0.05);
    const center = (y: tf.Tensor4D) => tf.slice(y, [0, 0, 0, 0], [1, 16, 32, 3]); // the first tile's own
    await expect(center(tiled)).toBeAllclose(center(whole), 1e-5);
    model.dispose();
  });

  test('seams are smaller than without an overlap', async () => {
    const model = new AutoencoderKL({ ...smallKL, attnResolutions: [] }).initialize(randomKey(3));
    const z = uniform<tf.Rank.R4>(randomKey(4), [1, 16, 48, 3], -2, 2);
    const whole = model.decode(z);
    /** Largest step, from one column to the next, of what tiling changes, over the image's largest value. */
    const seam = async (overlap: number) => {
      const tiled = await decodeTiled(model, z, { tileSize: 32, overlap });
      return tf
        .tidy(() => {
          const error = tf.sub(tiled, whole);
          const steps = tf.sub(tf.slice(error, [0, 0, 1, 0]), tf.slice(error, [0, 0, 0, 0], [1, 32, 95, 3]));
          return tf.div(tf.max(tf.abs(steps)), tf.max(tf.abs(whole)));
        })
        .data();
    };
    const [[without], [half]] = [await seam(0), await seam(0.5)];
    expect(without).toBeGreaterThan(0.01);
    expect(half).toBeLessThan(0.5 * without);
    model.dispose();
  });

  test.each(['decode', 'encode'] as const)('%s: memory is that of one tile, however large the image', async (way) => {
    const model = new AutoencoderTiny(config).initialize(randomKey(1));
    const [channels, size] = way === 'decode' ? [4, 32] : [3, 64]; // 64 pixels either way
    const peakOf = async (length: number) => {
      const x = tf.zeros<tf.Rank.R4>([1, length, length, channels]);
      const before = tf.memory().numBytes;
      let peak = 0;
      const spy = vi.spyOn(model, way).mockImplementation((tile) => {
        peak = Math.max(peak, tf.memory().numBytes - before);
        const y = AutoencoderTiny.prototype[way].call(model, tile);
        peak = Math.max(peak, tf.memory().numBytes - before);
        return y;
      });
      const tiled = way === 'decode' ? decodeTiled : encodeTiled;
      const y = await tiled(model, x, { tileSize: 32 });
      spy.mockRestore();
      tf.dispose([x, y]);
      return peak;
    };
    tf.dispose(model[way](tf.zeros([1, 2, 2, channels]))); // the parameters are allocated
    const [small, large] = [await peakOf(size), await peakOf(3 * size)];
    expect(small).toBeGreaterThan(0);
    expect(large).toBe(small); // the image is nine times as large
    expect(large).toBeLessThan(192 * 192 * 3 * 4);
    model.dispose();
  });

  test('tells its progress, and stops between tiles with nothing left', async () => {
    const model = new AutoencoderTiny(config).initialize(randomKey(1));
    const z = tf.zeros<tf.Rank.R4>([1, 20, 12, 4]);
    const progress: string[] = [];
    const onTile = (done: number, total: number) => progress.push(`${done}/${total}`);
    const y = await decodeTiled(model, z, { tileSize: 16, overlap: 0, onTile });
    expect(y.shape).toEqual([1, 40, 24, 3]);
    expect(progress).toEqual(['1/6', '2/6', '3/6', '4/6', '5/6', '6/6']);
    const controller = new AbortController();
    const stop = (done: number) => done === 2 && controller.abort(new Error('enough'));
    await expectTensors(0, async () => {
      const promise = decodeTiled(model, z, { tileSize: 16, onTile: stop, signal: controller.signal });
      await expect(promise).rejects.toThrow('enough');
    });
    await expect(decodeTiled(model, z, { signal: controller.signal })).rejects.toThrow('enough');
    // as from a button: in a task of its own, of which synchronous tiles leave time to hear
    const later = new AbortController();
    const done: number[] = [];
    setTimeout(() => later.abort(new Error('pressed')));
    const many = decodeTiled(model, z, { tileSize: 2, onTile: (n) => done.push(n), signal: later.signal });
    await expect(many).rejects.toThrow('pressed');
    expect(done.length).toBeLessThan(240);
    model.dispose();
  });

  test('each bad argument is named', async () => {
    const model = new AutoencoderTiny(config);
    const kl = new AutoencoderKL(smallKL);
    const z = tf.zeros<tf.Rank.R4>([1, 4, 4, 4]);
    await expect(decodeTiled(model, z, { tileSize: 15 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: decodeTiled: tileSize / factor must be an integer >= 1, got 7.5]`,
    );
    await expect(decodeTiled(model, z, { overlap: 1 })).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: decodeTiled: overlap must be a number in [0, 0.9999990463256836], got 1]`,
    );
    await expect(decodeTiled(model, tf.zeros([1, 4, 4, 3]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: decodeTiled: z must be [N, h, w, 4], got [1, 4, 4, 3]]`,
    );
    await expect(encodeTiled(model, tf.zeros([1, 5, 4, 3]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: encodeTiled: x must be [N, multiple of 2, multiple of 2, 3], got [1, 5, 4, 3]]`,
    );
    await expect(encodeTiled(kl, tf.zeros([1, 4, 4, 4]))).rejects.toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: encodeTiled: x must be [N, multiple of 2, multiple of 2, 3], got [1, 4, 4, 4]]`,
    );
  });
});
