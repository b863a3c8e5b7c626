import { ShapeError } from '@sd/core';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haarDwt2d, haarDwt2dPacked } from './haar-dwt2d';
import { haarIdwt2d, haarIdwt2dPacked } from './haar-idwt2d';
import { HAAR_DWT2D_KERNEL, HAAR_IDWT2D_KERNEL } from './haar-packed';
import type { Subbands } from './subbands';

type Image = tf.Tensor4D;

const random = (shape: [number, number, number, number], seed: number) =>
  tf.randomNormal<tf.Rank.R4>(shape, 0, 1, 'float32', seed);

/** Summed in float64. */
async function dot(a: tf.Tensor, b: tf.Tensor): Promise<number> {
  const [x, y] = [await a.data(), await b.data()];
  return Array.from(x).reduce((sum, value, i) => sum + value * y[i], 0);
}

function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof ShapeError) return error.message;
  }
  return 'no ShapeError';
}

/** A backend's own kernels take the place of the compositions, which have to be right too. */
function withoutKernels(backend: string): void {
  let kernels: tf.KernelConfig[] = [];
  beforeAll(() => {
    kernels = [HAAR_DWT2D_KERNEL, HAAR_IDWT2D_KERNEL].flatMap((name) => tf.getKernel(name, backend) ?? []);
    for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, backend);
  });
  afterAll(() => kernels.forEach(tf.registerKernel));
}

describeBackends(['cpu', 'wasm'], (backend) => {
  describe.each(backend === 'cpu' ? ['composed'] : ['composed', 'with kernels'])('%s', (way) => {
    if (way === 'composed') withoutKernels(backend);

    test('one block gives the four bands computed by hand, and leaves four tensors', async () => {
      const x = tf.tensor4d([1, 2, 3, 4], [1, 2, 2, 1]);
      const bands = await expectTensors(4, () => haarDwt2d(x));
      await expect(bands.ll).toBeAllclose([[[[5]]]]);
      await expect(bands.lh).toBeAllclose([[[[-2]]]]);
      await expect(bands.hl).toBeAllclose([[[[-1]]]]);
      await expect(bands.hh).toBeAllclose([[[[0]]]], { absolute: 0 });
      await expect(await expectTensors(1, () => haarIdwt2d(bands))).toBeAllclose(x);
    });

    test('the packed form holds LL, LH, HL, HH in turn, each with its channels in order', async () => {
      const x = random([2, 6, 4, 3], 1);
      const packed = await expectTensors(1, () => haarDwt2dPacked(x));
      const { ll, lh, hl, hh } = haarDwt2d(x);
      await expect(packed).toBeAllclose(tf.concat([ll, lh, hl, hh], 3), 0);
      const values = await x.array();
      const bands = await packed.array();
      for (let n = 0; n < 2; n++) {
        for (let i = 0; i < 3; i++) {
          for (let j = 0; j < 2; j++) {
            for (let k = 0; k < 3; k++) {
              const [a, b] = [values[n][2 * i][2 * j][k], values[n][2 * i][2 * j + 1][k]];
              const [c, d] = [values[n][2 * i + 1][2 * j][k], values[n][2 * i + 1][2 * j + 1][k]];
              expect([0, 3, 6, 9].map((band) => bands[n][i][j][band + k])).toBeAllclose([
                (a + b + c + d) / 2,
                (a + b - c - d) / 2,
                (a - b + c - d) / 2,
                (a - b - c + d) / 2,
              ]);
            }
          }
        }
      }
    });

    test('the inverse undoes the transform, and the transform the inverse', async () => {
      const x = random([2, 8, 6, 5], 2);
      await expect(haarIdwt2d(haarDwt2d(x))).toBeAllclose(x);
      const packed = random([3, 2, 5, 8], 3);
      await expect(haarDwt2dPacked(await expectTensors(1, () => haarIdwt2dPacked(packed)))).toBeAllclose(packed);
    });

    test('energy is kept (Parseval)', async () => {
      const x = random([2, 16, 12, 3], 4);
      const packed = haarDwt2dPacked(x);
      expect(await dot(packed, packed)).toBeAllclose(await dot(x, x), 1e-6);
    });

    test('a constant is all in LL, at twice its value', async () => {
      const { ll, lh, hl, hh } = haarDwt2d(tf.fill([1, 4, 6, 2], 0.75));
      await expect(ll).toBeAllclose(tf.fill([1, 2, 3, 2], 1.5), 0);
      for (const band of [lh, hl, hh]) await expect(band).toBeAllclose(tf.zeros([1, 2, 3, 2]), 0);
    });

    test('horizontal stripes are in LH, vertical ones in HL, a checkerboard in HH', async () => {
      const signs = tf.tensor1d([1, -1, 1, -1]);
      const image = (rows: tf.Tensor, columns: tf.Tensor) =>
        tf.mul(rows.reshape([1, 4, 1, 1]), columns.reshape([1, 1, 4, 1])) as Image;
      const energies = async (x: Image) => {
        const { ll, lh, hl, hh } = haarDwt2d(x);
        return Promise.all([ll, lh, hl, hh].map((band) => dot(band, band)));
      };
      const flat = tf.ones([4]);
      expect(await energies(image(signs, flat))).toBeAllclose([0, 16, 0, 0]);
      expect(await energies(image(flat, signs))).toBeAllclose([0, 0, 16, 0]);
      expect(await energies(image(signs, signs))).toBeAllclose([0, 0, 0, 16]);
    });

    test('the inverse is the adjoint: <DWT x, y> = <x, IDWT y>', async () => {
      const x = random([2, 8, 8, 3], 5);
      const y = tf.add(haarDwt2dPacked(x), random([2, 4, 4, 12], 6)) as Image; // not orthogonal to DWT x
      expect(await dot(haarDwt2dPacked(x), y)).toBeAllclose(await dot(x, haarIdwt2dPacked(y)), 1e-6);
    });

    test('gradients agree with finite differences and leave nothing behind', async () => {
      const x = random([2, 4, 6, 3], 7);
      const packed = random([2, 2, 3, 8], 8);
      const bands = [0, 1, 2, 3].map((seed) => random([1, 2, 3, 2], seed));
      const curved = (t: tf.Tensor) => tf.square(t); // so that the transform's gradient depends on its input
      await expectTensors(0, async () => {
        await expectGradient((t) => curved(haarDwt2dPacked(t as Image)), x);
        await expectGradient((t) => curved(haarIdwt2dPacked(t as Image)), packed);
        await expectGradient((t) => tf.mul(haarDwt2d(t as Image).hl, haarDwt2d(t as Image).lh), x);
        await expectGradient((...t) => {
          const [ll, lh, hl, hh] = t as Image[];
          return curved(haarIdwt2d({ ll, lh, hl, hh }));
        }, bands);
      });
    });
  });
});

describeBackends(['cpu'], () => {
  test('a kernel registered by a backend is used, forwards and as the gradient of the other', async () => {
    const x = random([1, 2, 2, 1], 9);
    const calls: string[] = [];
    const packed = haarDwt2dPacked(x);
    const fake = (kernelName: string, result: Image) =>
      tf.registerKernel({
        kernelName,
        backendName: 'cpu',
        kernelFunc: ({ inputs }) => {
          calls.push(`${kernelName} ${inputs.x?.shape}`);
          const { dataId, dtype, shape } = tf.keep(tf.clone(result));
          return { dataId, dtype, shape };
        },
      });
    fake(HAAR_DWT2D_KERNEL, packed);
    fake(HAAR_IDWT2D_KERNEL, x);
    try {
      expect([HAAR_DWT2D_KERNEL, HAAR_IDWT2D_KERNEL]).toEqual(['HaarDwt2d', 'HaarIdwt2d']);
      await expect(tf.grad((t) => haarDwt2dPacked(t as Image))(x)).toBeAllclose(x, 0);
      await expect(tf.grad((t) => haarIdwt2dPacked(t as Image))(packed)).toBeAllclose(packed, 0);
      expect(calls).toEqual(['HaarDwt2d 1,2,2,1', 'HaarIdwt2d 1,1,1,4', 'HaarIdwt2d 1,1,1,4', 'HaarDwt2d 1,2,2,1']);
    } finally {
      tf.unregisterKernel(HAAR_DWT2D_KERNEL, 'cpu');
      tf.unregisterKernel(HAAR_IDWT2D_KERNEL, 'cpu');
    }
  });

  describe('wrong arguments are named before any tensor is made', () => {
    const cases: [string, () => unknown, string][] = [
      [
        'odd height',
        () => haarDwt2d(tf.zeros([1, 7, 8, 4])),
        'haarDwt2d: x must be [N, even, even, C], got [1, 7, 8, 4]',
      ],
      [
        'odd width',
        () => haarDwt2dPacked(tf.zeros([1, 8, 5, 4])),
        'haarDwt2dPacked: x must be [N, even, even, C], got [1, 8, 5, 4]',
      ],
      ['rank', () => haarDwt2d(tf.zeros([8, 8]) as unknown as Image), 'haarDwt2d: x must be [N, H, W, C], got [8, 8]'],
      [
        'channels',
        () => haarIdwt2dPacked(tf.zeros([1, 2, 2, 6])),
        'haarIdwt2dPacked: packed must be [N, H, W, 4C], got [1, 2, 2, 6]',
      ],
      [
        'rank of packed',
        () => haarIdwt2dPacked(tf.zeros([2, 4]) as unknown as Image),
        'haarIdwt2dPacked: packed must be [N, H, W, 4C], got [2, 4]',
      ],
    ];
    test.each(cases)('%s', (_name, call, message) => expect(messageOf(call)).toBe(message));

    test('a band of another shape', () => {
      const [ll, other] = [tf.zeros<tf.Rank.R4>([1, 2, 2, 3]), tf.zeros<tf.Rank.R4>([1, 2, 1, 3])];
      const message = (name: string) => `haarIdwt2d: ${name} must be [1, 2, 2, 3], got [1, 2, 1, 3]`;
      for (const name of ['lh', 'hl', 'hh'] as const) {
        const bands: Subbands = { ll, lh: ll, hl: ll, hh: ll, [name]: other };
        expect(messageOf(() => haarIdwt2d(bands))).toBe(message(name));
      }
    });

    test('a disposed tensor', () => {
      const x = tf.zeros<tf.Rank.R4>([1, 2, 2, 1]);
      x.dispose();
      expect(() => haarDwt2d(x)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: haarDwt2d: x must be a tensor that is not disposed, got [1, 2, 2, 1]]`,
      );
    });
  });
});
