import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import { ddimScheduler } from './ddim';
import { withGuidance } from './guidance';
import { grid } from './test-fixtures';

const shape: [number, number, number, number] = [2, 2, 3, 1];
const start = () => tf.tensor4d(grid(shape, 1), shape);

/** A model that depends on everything: x * (mean of its condition) + t / 1000. */
function textModel(calls: number[][]) {
  return (x: tf.Tensor4D, t: number, context: tf.Tensor3D): tf.Tensor4D => {
    calls.push(x.shape, context.shape);
    return tf.tidy(() => {
      const mean = tf.reshape(tf.mean(context, [1, 2]), [context.shape[0], 1, 1, 1]);
      return tf.add(tf.mul(x, mean), t / 1000) as tf.Tensor4D;
    });
  };
}

const expectedFor = (scale: number, condition: number[], uncondition: number[], t: number) =>
  grid(shape, 1).map((value, i) => {
    const sample = Math.floor(i / 6);
    const [c, u] = [value * condition[sample] + t / 1000, value * uncondition[sample] + t / 1000];
    return u + scale * (c - u);
  });

describeBackends(['cpu', 'wasm'], () => {
  test('one batched call gives eps_u + w (eps_c - eps_u), and leaves its result only', async () => {
    const x = start();
    const condition = tf.tensor3d([1, 2, 3, 5], [2, 2, 1]); // means 1.5 and 4
    const uncondition = tf.tensor3d([0, 1, -1, -3], [2, 2, 1]); // means 0.5 and -2
    for (const scale of [3, 7.5, -1, 0, 1]) {
      const calls: number[][] = [];
      const model = withGuidance(textModel(calls), { scale, condition, uncondition });
      const output = await expectTensors(1, () => model(x, 100));
      await expect(output).toBeAllclose(tf.tensor4d(expectedFor(scale, [1.5, 4], [0.5, -2], 100), shape), 1e-5);
      const batch = scale === 0 || scale === 1 ? 2 : 4;
      expect(calls).toEqual([
        [batch, 2, 3, 1],
        [batch, 2, 1],
      ]);
    }
  });

  test('conditions of one sample serve the whole batch', async () => {
    const x = start();
    const condition = tf.tensor3d([1, 2, 3, 5], [2, 2, 1]);
    const uncondition = tf.tensor3d([0, 1], [1, 2, 1]);
    for (const scale of [0, 1, 3]) {
      const model = withGuidance(textModel([]), { scale, condition, uncondition });
      const output = await expectTensors(1, () => model(x, 0));
      await expect(output).toBeAllclose(expectedFor(scale, [1.5, 4], [0.5, 0.5], 0), 1e-5);
    }
  });

  test('class labels are lists, and an asynchronous model is awaited', async () => {
    const x = start();
    const seen: (readonly number[])[] = [];
    const classModel = async (input: tf.Tensor4D, t: number, labels: readonly number[]) => {
      seen.push(labels);
      await Promise.resolve();
      return tf.tidy(() =>
        tf.add(tf.mul(input, tf.tensor4d([...labels], [labels.length, 1, 1, 1])), t / 1000),
      ) as tf.Tensor4D;
    };
    const model = withGuidance(classModel, { scale: 3, condition: [7, 9], uncondition: [1000] });
    const output = await expectTensors(1, () => model(x, 10));
    expect(seen).toEqual([[1000, 1000, 7, 9]]);
    await expect(output).toBeAllclose(expectedFor(3, [7, 9], [1000, 1000], 10), 1e-5);
    const single = withGuidance(classModel, { scale: 1, condition: [7], uncondition: [1000] });
    (await expectTensors(1, () => single(x, 10))).dispose();
    expect(seen[1]).toEqual([7, 7]);
  });

  test('outside its interval the condition alone is asked, in a call of x alone', async () => {
    const x = start();
    const condition = tf.tensor3d([1, 2, 3, 5], [2, 2, 1]); // means 1.5 and 4
    const uncondition = tf.tensor3d([0, 1, -1, -3], [2, 2, 1]); // means 0.5 and -2
    const calls: number[][] = [];
    const model = withGuidance(textModel(calls), { scale: 3, condition, uncondition, interval: [100, 400] });
    for (const [t, scale] of [
      [99, 1],
      [100, 3],
      [400, 3],
      [401, 1],
    ]) {
      const output = await expectTensors(1, () => model(x, t));
      await expect(output).toBeAllclose(expectedFor(scale, [1.5, 4], [0.5, -2], t), 1e-5);
    }
    expect(calls.filter((_, i) => i % 2 === 0).map(([batch]) => batch)).toEqual([2, 4, 4, 2]);
  });

  test('rescale 1 gives each sample the deviation of its conditional prediction, and less in proportion', async () => {
    const x = start();
    const condition = tf.tensor3d([1, 2, 3, 5], [2, 2, 1]);
    const uncondition = tf.tensor3d([0, 1, -1, -3], [2, 2, 1]);
    const deviation = (values: ArrayLike<number>) => {
      const list = Array.from(values);
      const mean = list.reduce((a, b) => a + b, 0) / list.length;
      return Math.sqrt(list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length);
    };
    const plain = expectedFor(3, [1.5, 4], [0.5, -2], 100);
    const alone = expectedFor(1, [1.5, 4], [0.5, -2], 100);
    for (const rescale of [0.3, 1]) {
      const model = withGuidance(textModel([]), { scale: 3, condition, uncondition, rescale });
      const output = await expectTensors(1, () => model(x, 100));
      const expected = plain.map((value, i) => {
        const sample = Math.floor(i / 6) * 6;
        const ratio = deviation(alone.slice(sample, sample + 6)) / deviation(plain.slice(sample, sample + 6));
        return value * (rescale * ratio + 1 - rescale);
      });
      await expect(output).toBeAllclose(tf.tensor4d(expected, shape), 1e-5);
    }
  });

  test('a guided model samples, and leaks nothing over a run', async () => {
    const x = start();
    const condition = tf.ones([2, 2, 1]) as tf.Tensor3D;
    const uncondition = tf.zeros([2, 2, 1]) as tf.Tensor3D;
    const model = withGuidance(textModel([]), { scale: 2, condition, uncondition });
    await expectTensors(1, () => ddimScheduler().sample(model, x, { steps: 5 }));
  });

  test('gradients flow through the guidance', async () => {
    const condition = tf.tensor3d([1, 2, 3, 5], [2, 2, 1]);
    const uncondition = tf.tensor3d([0, 1, -1, -3], [2, 2, 1]);
    const model = withGuidance(textModel([]), { scale: 3, condition, uncondition });
    await expectGradient((x) => model(x as tf.Tensor4D, 100), start());
    const rescaled = withGuidance(textModel([]), { scale: 3, condition, uncondition, rescale: 0.7 });
    await expectGradient((x) => rescaled(x as tf.Tensor4D, 100), start());
  });
});

test('a model that throws, rejects or gives another shape leaves nothing', async () => {
  const x = start();
  const options = { scale: 3, condition: tf.ones([1, 2]), uncondition: tf.zeros([1, 2]) };
  await expectTensors(0, async () => {
    const throwing = withGuidance((): tf.Tensor4D => {
      throw new Error('boom');
    }, options);
    expect(() => throwing(x, 0)).toThrow('boom');
    const rejecting = withGuidance((): Promise<tf.Tensor4D> => Promise.reject(new Error('boom')), options);
    await expect(rejecting(x, 0)).rejects.toThrow('boom');
    const wrong = withGuidance((): tf.Tensor4D => tf.zeros([4, 2, 3, 2]), options);
    expect(() => wrong(x, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: withGuidance: the model's output must be [4, 2, 3, 1], got [4, 2, 3, 2]]`,
    );
  });
});

test('missing and mismatched conditions are refused', async () => {
  const x = start();
  const gone = tf.zeros([1, 2]);
  gone.dispose();
  const model = (input: tf.Tensor4D) => tf.clone(input);
  const [condition, uncondition] = [tf.ones([1, 2]), tf.zeros([1, 2])];
  const [three, wide, scalar] = [tf.ones([3, 2]), tf.ones([1, 3]), tf.scalar(1)];
  await expectTensors(0, () => {
    const guided = (options: object) => () =>
      withGuidance(model, { scale: 3, condition, uncondition, ...options } as Parameters<typeof withGuidance>[1]);
    expect(guided({ scale: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: scale must be a finite number, got NaN]`,
    );
    expect(guided({ condition: undefined })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: condition must be a tensor or a list of labels, got undefined]`,
    );
    expect(guided({ uncondition: undefined })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: uncondition must be a tensor or a list of labels, got undefined]`,
    );
    expect(guided({ uncondition: [1000] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: uncondition must be a list if and only if condition is one, got "another kind"]`,
    );
    expect(guided({ condition: gone })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: condition must be a tensor that is not disposed, got [1, 2]]`,
    );
    expect(guided({ condition: scalar })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: withGuidance: condition must be [N, ...], got []]`,
    );
    expect(guided({ uncondition: wide })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: withGuidance: uncondition must be [N, 2], got [1, 3]]`,
    );
    const batch = withGuidance(model, { scale: 3, condition: three, uncondition });
    expect(() => batch(x, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: condition must be of 1 or 2 samples, as x is, got 3]`,
    );
    const labels = withGuidance(model, { scale: 3, condition: [1], uncondition: [2, 3, 4] });
    expect(() => labels(x, 0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: withGuidance: uncondition must be of 1 or 2 samples, as x is, got 3]`,
    );
  });
  x.dispose();
  const late = withGuidance(model, { scale: 3, condition, uncondition });
  expect(() => late(x, 0)).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: withGuidance: x must be a tensor that is not disposed, got [2, 2, 3, 1]]`,
  );
});

test('an interval and a rescale out of range are refused', () => {
  const options = { scale: 3, condition: [1], uncondition: [2] };
  const model = (x: tf.Tensor4D) => x;
  expect(() => withGuidance(model, { ...options, rescale: 1.5 })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: withGuidance: rescale must be a number in [0, 1], got 1.5]`,
  );
  expect(() => withGuidance(model, { ...options, interval: [5, 4] })).toThrowErrorMatchingInlineSnapshot(
    `[ArgumentError: withGuidance: interval must be the lowest and the highest timestep, got [5, 4]]`,
  );
});
