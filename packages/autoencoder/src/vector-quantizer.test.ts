import { randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { describeBackends, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { perplexity, VectorQuantizer } from './vector-quantizer';

const beta = 0.25;
const entries = [0, 0, 1, 1, -2, 0.5];
const latents = [0.2, -0.1, 0.9, 1.3, -1.5, 0.2, 0.4, 0.3]; // nearest 0, 1, 2, 0

function quantizer(): VectorQuantizer {
  const module = new VectorQuantizer({ nEmbed: 3, embedDim: 2, beta });
  module.codebook.load(Float32Array.from(entries));
  return module;
}
const z = () => tf.tensor4d(latents, [1, 2, 2, 2]);

describeBackends(['cpu', 'wasm'], (backend) => {
  test('each latent pixel becomes its nearest entry; loss and perplexity are those counted by hand', async () => {
    const module = quantizer();
    const x = z();
    const { quantized, indices, loss, perplexity: use } = await expectTensors(4, () => module.forward(x));
    expect(indices.dtype).toBe('int32');
    expect(indices.shape).toEqual([1, 2, 2]);
    expect(Array.from(await indices.data())).toEqual([0, 1, 2, 0]);
    const nearest = [0, 0, 1, 1, -2, 0.5, 0, 0];
    expect(Array.from(await quantized.data())).toEqual(nearest);
    const meanSquare = nearest.reduce((sum, e, i) => sum + (e - latents[i]) ** 2, 0) / 8;
    await expect(loss).toBeAllclose((1 + beta) * meanSquare);
    const entropy = -(0.5 * Math.log(0.5) + 2 * 0.25 * Math.log(0.25));
    await expect(use).toBeAllclose(Math.exp(entropy));
    module.dispose();
  });

  test('the quantized latent passes its gradient to the encoder and none to the codebook', async () => {
    const module = quantizer();
    const weights = tf.reshape(tf.range(1, 9), [1, 2, 2, 2]);
    const x = z();
    const dx = await expectTensors(1, () =>
      tf.grad((v) => tf.sum(tf.mul(module.forward(v as tf.Tensor4D).quantized, weights)))(x),
    );
    await expect(dx).toBeAllclose(weights);
    const byCodebook = () => valueAndGradients(() => tf.sum(module.forward(x).quantized), module.parameters());
    expect(byCodebook).toThrow('Cannot find a connection between any variable and the result');
    module.dispose();
  });

  test('the encoder moves by the first term of the loss only: 1 / (1 + beta) of the finite differences', async () => {
    const module = quantizer();
    const loss = (v: tf.Tensor) => module.forward(v as tf.Tensor4D).loss;
    const x = z();
    const analytic = await expectTensors(1, () => tf.grad(loss)(x));
    const numeric = await finiteDifferences(latents, (moved) => loss(tf.tensor4d(moved, [1, 2, 2, 2])));
    await expect(analytic).toBeAllclose(
      numeric.map((d) => d / (1 + beta)),
      1e-3,
    );
    module.dispose();
  });

  test('the codebook moves by the second term only: beta / (1 + beta) of the finite differences', async () => {
    const module = quantizer();
    const x = z();
    const { value, gradients } = valueAndGradients(() => module.forward(x).loss, module.parameters());
    const analytic = gradients.get('embedding.weight') as tf.Tensor;
    const numeric = await finiteDifferences(entries, (moved) => {
      module.codebook.load(Float32Array.from(moved));
      return module.forward(x).loss;
    });
    await expect(analytic).toBeAllclose(
      numeric.map((d) => (d * beta) / (1 + beta)),
      1e-3,
    );
    tf.dispose([value, analytic]);
    module.dispose();
  });

  test('without legacyBeta it is the encoder that beta weighs', async () => {
    const legacy = quantizer();
    const paper = new VectorQuantizer({ nEmbed: 3, embedDim: 2, beta, legacyBeta: false });
    paper.codebook.load(Float32Array.from(entries));
    const gradients = (module: VectorQuantizer) => {
      const [value, dx] = [(v: tf.Tensor) => module.forward(v as tf.Tensor4D).loss, z()];
      const { gradients: own } = valueAndGradients(() => value(dx), module.parameters());
      return { encoder: tf.grad(value)(dx), codebook: own.get('embedding.weight') as tf.Tensor };
    };
    const [a, b] = [gradients(legacy), gradients(paper)];
    await expect(b.encoder).toBeAllclose(tf.mul(a.encoder, beta));
    await expect(b.codebook).toBeAllclose(tf.mul(a.codebook, 1 / beta));
    await expect(paper.forward(z()).loss).toBeAllclose(legacy.forward(z()).loss); // both terms have one value
    legacy.dispose();
    paper.dispose();
  });

  test('of equally near entries the first is taken', async () => {
    const module = quantizer();
    module.codebook.load(Float32Array.from([1, 0, -1, 0, 0, 1]));
    expect(Array.from(await module.nearest(tf.zeros([1, 1, 2, 2])).data())).toEqual([0, 0]);
    module.dispose();
  });

  test('lookup gives the entries, and their gradient is summed over the pixels', async () => {
    const module = quantizer();
    const indices = tf.tensor3d([2, 0, 2, 2], [1, 2, 2], 'int32');
    const found = await expectTensors(1, () => module.lookup(indices));
    expect(Array.from(await found.data())).toEqual([-2, 0.5, 0, 0, -2, 0.5, -2, 0.5]);
    const { gradients } = valueAndGradients(() => tf.sum(module.lookup(indices)), module.parameters());
    await expect(gradients.get('embedding.weight') as tf.Tensor).toBeAllclose([
      [1, 1],
      [0, 0],
      [3, 3],
    ]);
    module.dispose();
  });

  test('the codebook can start from latent pixels, each taken once', async () => {
    const module = quantizer();
    const x = z();
    await expectTensors(0, () => module.initializeFrom(x, randomKey(1)));
    const rows = (data: ArrayLike<number>) =>
      Array.from({ length: data.length / 2 }, (_, i) => `${data[2 * i]} ${data[2 * i + 1]}`);
    const chosen = rows(await module.codebook.value.data());
    expect(new Set(chosen).size).toBe(3);
    for (const row of chosen) expect(rows(Float32Array.from(latents))).toContain(row);
    module.dispose();
  });

  test.runIf(backend === 'wasm')('latents are compared in parts where all distances at once are too many', async () => {
    const nEmbed = 2 ** 21; // 8 pixels a part
    const module = new VectorQuantizer({ nEmbed, embedDim: 1, beta });
    module.codebook.load(Float32Array.from({ length: nEmbed }, (_, i) => (i < 20 ? i : -1000)));
    const expected = Array.from({ length: 19 }, (_, i) => (7 * i) % 20);
    const x = tf.tensor4d(
      expected.map((i) => i + 0.2),
      [1, 1, 19, 1],
    );
    expect(Array.from(await (await expectTensors(1, () => module.nearest(x))).data())).toEqual(expected);
    module.dispose();
  });
});

describe('perplexity', () => {
  test('is 1 for a single entry and the number of entries for all alike', async () => {
    await expect(perplexity(tf.zeros([4, 4], 'int32'), 16)).toBeAllclose(1);
    await expect(perplexity(tf.range(0, 16, 1, 'int32'), 16)).toBeAllclose(16);
  });
});

test('each bad argument is named', () => {
  const module = quantizer();
  expect(() => module.forward(tf.zeros([1, 2, 2, 3]))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: VectorQuantizer: z must be [N, h, w, 2], got [1, 2, 2, 3]]`,
  );
  expect(() => module.lookup(tf.zeros([2, 2], 'int32') as unknown as tf.Tensor3D)).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: VectorQuantizer.lookup: indices must be [N, h, w], got [2, 2]]`,
  );
  expect(() => module.lookup(tf.zeros([1, 2, 2]))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: VectorQuantizer.lookup: indices must be int32, got "float32"]`,
  );
  expect(() => module.initializeFrom(tf.zeros([1, 1, 2, 2]), randomKey(1))).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: VectorQuantizer.initializeFrom: z must be a batch of at least 3 pixels, got 2]`,
  );
  expect(() => module.initializeFrom(tf.zeros([1, 4, 2, 1]), randomKey(1))).toThrowErrorMatchingInlineSnapshot(
    `[ShapeError: VectorQuantizer.initializeFrom: z must be [N, h, w, 2], got [1, 4, 2, 1]]`,
  );
  expect(() => new VectorQuantizer({ nEmbed: 3, embedDim: 2, beta: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: VectorQuantizer: beta must be a number >= 0, got NaN]`,
  );
  expect(() => new VectorQuantizer({ nEmbed: 0, embedDim: 2, beta })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: VectorQuantizer: nEmbed must be an integer >= 1, got 0]`,
  );
  expect(() => new VectorQuantizer({ nEmbed: 3, embedDim: 0.5, beta })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: VectorQuantizer: embedDim must be an integer >= 1, got 0.5]`,
  );
  const gone = tf.zeros([2], 'int32');
  gone.dispose();
  expect(() => perplexity(gone, 4)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: perplexity: indices must be a tensor that is not disposed, got [2]]`,
  );
});

/** Central differences of a scalar by each of the values. */
async function finiteDifferences(values: readonly number[], f: (moved: number[]) => tf.Scalar): Promise<number[]> {
  const step = 0.01;
  const result: number[] = [];
  for (const i of values.keys()) {
    const at = async (h: number) => (await f(values.map((v, j) => (j === i ? v + h : v))).data())[0];
    result.push(((await at(step)) - (await at(-step))) / (2 * step));
  }
  return result;
}
