import { randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { spectralLoss, spectralWeight } from '@sd/spectral-loss';
import { describeBackends, expectGradient, expectTensors } from '@sd/testing';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import type { FeaturePair, PairedTensors } from './feature-pair';
import {
  type DistillationConfig,
  SpectrumAwareDistillation,
  spectrumAwareDistillation,
} from './spectrum-aware-distillation';
import { goldenImages, goldenScalar, noise } from './test-values';

const outputPair = (channels: number): FeaturePair => ({
  name: 'output',
  teacherChannels: channels,
  studentChannels: channels,
});

/** The output and two features of other sizes and channels. */
const PAIRS: readonly FeaturePair[] = [
  outputPair(3),
  { name: 'up_1', teacherChannels: 5, studentChannels: 2 },
  { name: 'up_0', teacherChannels: 4, studentChannels: 6 },
];
const teacherTensors = () => ({
  output: noise(1, [2, 8, 6, 3]),
  up_1: noise(2, [2, 4, 3, 5]),
  up_0: noise(3, [2, 8, 6, 4]),
});
const studentTensors = () => ({
  output: noise(4, [2, 8, 6, 3]),
  up_1: noise(5, [2, 4, 3, 2]),
  up_0: noise(6, [2, 8, 6, 6]),
});
const cleanImages = () => noise(7, [2, 8, 6, 3]);

/** Student and teacher by the one pair `output`. */
const ofOutputs = (student: Tensor4D, teacher: Tensor4D, x0: Tensor4D, config: Partial<DistillationConfig> = {}) =>
  spectrumAwareDistillation({ pairs: [outputPair(student.shape[3])], ...config }).loss(
    { output: teacher },
    { output: student },
    x0,
  );

describeBackends(['cpu', 'wasm'], () => {
  describe('the losses', () => {
    test('match torch, and the total weighs them by 0.1 each', async () => {
      const [student, teacher, x0] = ['sa/student', 'sa/teacher', 'sa/x0'].map(goldenImages) as [
        Tensor4D,
        Tensor4D,
        Tensor4D,
      ];
      const { total, spatial, frequency } = ofOutputs(student, teacher, x0);
      await expect(frequency).toBeAllclose([goldenScalar('sa/loss_normalised')]);
      const [a, b] = [await student.data<'float32'>(), await teacher.data<'float32'>()];
      const expected = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;
      await expect(spatial).toBeAllclose([expected]);
      await expect(total).toBeAllclose([0.1 * expected + 0.1 * goldenScalar('sa/loss_normalised')]);

      const raw = ofOutputs(student, teacher, x0, { spectrum: { normalize: false }, lambdaSpatial: 2 });
      await expect(raw.frequency).toBeAllclose([goldenScalar('sa/loss')]);
      await expect(raw.total).toBeAllclose([2 * expected + 0.1 * goldenScalar('sa/loss')]);
    });

    test('have the gradient of torch by the student', async () => {
      const [student, teacher, x0] = ['sa/student', 'sa/teacher', 'sa/x0'].map(goldenImages) as [
        Tensor4D,
        Tensor4D,
        Tensor4D,
      ];
      const gradient = await expectTensors(1, () =>
        tf.grad((s) => ofOutputs(s as Tensor4D, teacher, x0, { lambdaSpatial: 0, lambdaFrequency: 1 }).total)(student),
      );
      await expect(gradient).toBeAllclose(goldenImages('sa/grad_student_normalised'), { of: 'gradient' });
    });

    test('are sums over pairs of different sizes, each with a weight of its own size', async () => {
      const distillation = spectrumAwareDistillation({ pairs: PAIRS });
      const [teacher, student, x0] = [teacherTensors(), studentTensors(), cleanImages()];
      // total, spatial, frequency, and two parts of three pairs; the first call makes the four parameters.
      const loss = await expectTensors(9 + 4, () => distillation.loss(teacher, student, x0));
      expect(Object.keys(loss.pairs)).toEqual(['output', 'up_1', 'up_0']);
      const aligned = (name: 'up_0' | 'up_1') => {
        const [weight, bias] = ['weight', 'bias'].map((key) => distillation.parameters().get(`${name}.${key}`)!.value);
        return tf.add(tf.conv2d(student[name], weight as tf.Tensor as Tensor4D, 1, 'valid'), bias!) as Tensor4D;
      };
      const predictions = { output: student.output, up_1: aligned('up_1'), up_0: aligned('up_0') };
      let [spatial, frequency] = [0, 0];
      for (const name of ['output', 'up_1', 'up_0'] as const) {
        const parts = loss.pairs[name]!;
        await expect(parts.spatial, name).toBeAllclose(tf.mean(tf.squaredDifference(predictions[name], teacher[name])));
        await expect(parts.frequency, name).toBeAllclose(
          spectralLoss(predictions[name], teacher[name], { reference: x0, alpha: -1 }),
        );
        spatial += (await parts.spatial.data())[0]!;
        frequency += (await parts.frequency.data())[0]!;
      }
      await expect(loss.spatial).toBeAllclose([spatial]);
      await expect(loss.frequency).toBeAllclose([frequency]);
      await expect(loss.total).toBeAllclose([0.1 * (spatial + frequency)]);
      await expectTensors(9, () => distillation.loss(teacher, student, x0));
      await expectTensors(-9 - 4, () => {
        tf.dispose(loss);
        distillation.dispose();
      });
    });

    test('are equal where alpha is 0, by Parseval', async () => {
      const [student, teacher, x0] = [noise(1, [2, 5, 8, 3]), noise(2, [2, 5, 8, 3]), noise(3, [2, 10, 8, 1])];
      for (const reduction of ['mean', 'sum', 'batch-mean'] as const) {
        const { spatial, frequency } = ofOutputs(student, teacher, x0, { alpha: 0, reduction });
        await expect(frequency, reduction).toBeAllclose(spatial);
      }
    });

    test('are reduced by mean, by sum, or to the mean of the samples’ squared norms', async () => {
      const [student, teacher, x0] = [noise(1, [2, 4, 4, 3]), noise(2, [2, 4, 4, 3]), noise(3, [2, 4, 4, 3])];
      const [mean, sum, batchMean] = (['mean', 'sum', 'batch-mean'] as const).map((reduction) =>
        ofOutputs(student, teacher, x0, { reduction }),
      );
      const squares = tf.sum(tf.squaredDifference(student, teacher));
      await expect(sum!.spatial).toBeAllclose(squares);
      await expect(batchMean!.spatial).toBeAllclose(tf.div(squares, 2));
      await expect(mean!.spatial).toBeAllclose(tf.div(squares, 96));
      const spectral = spectralLoss(student, teacher, { reference: x0, reduction: 'sum' });
      await expect(sum!.frequency).toBeAllclose(spectral);
      await expect(batchMean!.frequency).toBeAllclose(tf.div(spectral, 2));
      await expect(mean!.frequency).toBeAllclose(tf.div(spectral, 96));
    });

    test('take the options of the weight, the transform’s norm included', async () => {
      const [student, teacher, x0] = [noise(1, [2, 4, 6, 2]), noise(2, [2, 4, 6, 2]), noise(3, [2, 8, 9, 2])];
      const spectrum = { epsilon: 0.1, normalize: false, channels: 'none', resize: 'area', norm: 'forward' } as const;
      const { frequency } = ofOutputs(student, teacher, x0, { alpha: -0.5, spectrum });
      const weight = spectralWeight(x0, { ...spectrum, alpha: -0.5, size: [4, 6] });
      await expect(frequency).toBeAllclose(spectralLoss(student, teacher, { weight, norm: 'forward' }));
      const gray = ofOutputs(student, teacher, noise(4, [2, 8, 9, 1]), { spectrum });
      await expect(gray.frequency).toBeAllclose(
        spectralLoss(student, teacher, { reference: noise(4, [2, 8, 9, 1]), ...spectrum }),
      );
    });

    test('are reported but not in the total where their lambda is 0', async () => {
      const [student, teacher, x0] = [noise(1, [1, 4, 4, 3]), noise(2, [1, 4, 4, 3]), noise(3, [1, 4, 4, 3])];
      const lambdas = (lambdaSpatial: number, lambdaFrequency: number) =>
        ofOutputs(student, teacher, x0, { lambdaSpatial, lambdaFrequency });
      const both = lambdas(1, 1);
      const [spatial, frequency, neither] = [lambdas(1, 0), lambdas(0, 1), lambdas(0, 0)];
      await expect(spatial.total).toBeAllclose(both.spatial);
      await expect(spatial.frequency).toBeAllclose(both.frequency);
      await expect(frequency.total).toBeAllclose(both.frequency);
      await expect(neither.total).toBeAllclose([0]);
      await expect(neither.spatial).toBeAllclose(both.spatial);
    });
  });

  describe('gradients', () => {
    test('by the student’s tensors and the alignments equal finite differences', async () => {
      const distillation = spectrumAwareDistillation({ pairs: PAIRS, lambdaSpatial: 1, lambdaFrequency: 1 });
      const [teacher, student, x0] = [teacherTensors(), studentTensors(), cleanImages()];
      const total = (tensors: PairedTensors) => distillation.loss(teacher, tensors, x0).total;
      await expectGradient(
        (output, up_1, up_0) => total({ output, up_1, up_0 } as { [name: string]: Tensor4D }),
        [student.output, student.up_1, student.up_0],
        { step: 0.25 }, // quadratic: exact at any step
      );

      const { value, gradients } = valueAndGradients(() => total(student), distillation.parameters());
      expect([...gradients.keys()]).toEqual([...distillation.parameters().keys()]);
      for (const [name, parameter] of distillation.parameters()) {
        const gradient = (await gradients.get(name)!.data()) as Float32Array;
        const start = await parameter.value.data();
        const at = async (step: number) => {
          const along = start.map((v, i) => v + step * Math.sign(gradient[i]!));
          tf.tidy(() => parameter.assign(tf.tensor(along, [...parameter.shape])));
          const moved = tf.tidy(() => total(student));
          const [result] = await moved.data();
          moved.dispose();
          return result!;
        };
        // The loss is quadratic in each parameter, so that central differences are exact.
        const slope = ((await at(0.25)) - (await at(-0.25))) / 0.5;
        tf.tidy(() => parameter.assign(tf.tensor(start, [...parameter.shape])));
        expect([slope], name).toBeAllclose([gradient.reduce((sum, g) => sum + Math.abs(g), 0)], 1e-3);
      }
      tf.dispose([value, ...gradients.values()]);
      distillation.dispose();
    });

    test('flow neither to the teacher nor to x0', async () => {
      const distillation = spectrumAwareDistillation({ pairs: PAIRS });
      const [teacher, student, x0] = [teacherTensors(), studentTensors(), cleanImages()];
      const variables = {
        teacher: tf.variable(teacher.output),
        student: tf.variable(student.output),
        x0: tf.variable(x0),
      };
      const { value, grads } = tf.variableGrads(() => {
        // As if the teacher ran inside: computed from its weights.
        const output = tf.mul(variables.teacher, 2) as tf.Tensor as Tensor4D;
        const pairs = { ...student, output: variables.student as tf.Tensor as Tensor4D };
        return distillation.loss({ ...teacher, output }, pairs, variables.x0 as tf.Tensor as Tensor4D).total;
      }, Object.values(variables));
      expect(grads[variables.teacher.name]).toBeUndefined();
      await expect(grads[variables.x0.name]!).toBeAllclose(tf.zerosLike(x0));
      const max = await tf.max(tf.abs(grads[variables.student.name]!)).data();
      expect(max[0]).toBeGreaterThan(1e-4);
      tf.dispose([value, grads, Object.values(variables)]);
    });
  });

  describe('the alignments', () => {
    test('have the names and layouts of one 1x1 convolution per pair, in a state dict', async () => {
      const distillation = spectrumAwareDistillation({ pairs: PAIRS });
      expect([...(await distillation.stateDict())].map(([name, { shape }]) => [name, shape])).toEqual([
        ['up_1.weight', [5, 2, 1, 1]],
        ['up_1.bias', [5]],
        ['up_0.weight', [4, 6, 1, 1]],
        ['up_0.bias', [4]],
      ]);
      expect(distillation.pairs).toEqual(['output', 'up_1', 'up_0']);
      distillation.dispose();
    });

    test('that map the student onto the teacher give zero', async () => {
      const distillation = spectrumAwareDistillation({
        pairs: [{ name: 'up_0', teacherChannels: 2, studentChannels: 3 }],
      });
      const float32 = (shape: number[], ...values: number[]) => ({
        dtype: 'F32' as const,
        shape,
        data: new Uint8Array(Float32Array.from(values).buffer),
      });
      distillation.loadStateDict(
        new Map([
          ['up_0.weight', float32([2, 3, 1, 1], 1, -2, 0, 0, 0.5, 4)],
          ['up_0.bias', float32([2], 3, -1)],
        ]),
      );
      const student = noise(1, [2, 4, 4, 3]);
      const [a, b, c] = tf.split(student, 3, 3) as [Tensor4D, Tensor4D, Tensor4D];
      const teacher = tf.concat(
        [tf.add(tf.sub(a, tf.mul(b, 2)), 3), tf.sub(tf.add(tf.mul(b, 0.5), tf.mul(c, 4)), 1)],
        3,
      ) as Tensor4D;
      const loss = distillation.loss({ up_0: teacher }, { up_0: student }, noise(2, [2, 8, 8, 3]));
      await expect(loss.spatial).toBeAllclose([0], { absolute: 1e-11 });
      await expect(loss.frequency).toBeAllclose([0], { absolute: 1e-11 });
      distillation.dispose();
    });

    test('are there or not as each pair says', () => {
      const names = (...pairs: FeaturePair[]) => [...spectrumAwareDistillation({ pairs }).parameters().keys()];
      expect(names(outputPair(3))).toEqual([]);
      expect(names({ ...outputPair(3), studentChannels: 4, align: true })).toEqual(['output.weight', 'output.bias']);
      expect(names({ name: 'up_0', teacherChannels: 4, studentChannels: 4, align: false })).toEqual([]);
      expect(names({ name: 'up_0', teacherChannels: 4, studentChannels: 4 })).toEqual(['up_0.weight', 'up_0.bias']);
    });

    test('learn together with a student, and both parts fall', async () => {
      // The teacher's features are a linear map of what the student sees; its output a nonlinear one of them.
      const x = noise(1, [4, 8, 8, 3]);
      const feature = tf.tanh(tf.conv2d(x, noise(2, [3, 3, 3, 5]), 1, 'same'));
      const output = tf.conv2d(feature as Tensor4D, noise(3, [1, 1, 5, 3]), 1, 'same') as Tensor4D;
      const teacher = { output, hidden: feature as Tensor4D };
      const distillation = spectrumAwareDistillation({
        pairs: [outputPair(3), { name: 'hidden', teacherChannels: 5, studentChannels: 4 }],
      }).initialize(randomKey(4));
      const student = spectrumAwareDistillation({
        pairs: [
          { name: 'in', teacherChannels: 4, studentChannels: 3 },
          { name: 'out', teacherChannels: 3, studentChannels: 4 },
        ],
      }).initialize(randomKey(5));
      const filter = (name: string) => student.parameters().get(`${name}.weight`)!.value as tf.Tensor as Tensor4D;
      const forward = () => {
        const hidden = tf.tanh(tf.conv2d(x, filter('in'), 1, 'same')) as Tensor4D;
        return { output: tf.conv2d(hidden, filter('out'), 1, 'same') as Tensor4D, hidden };
      };
      const parameters = new Map([
        ...distillation.parameters(),
        ...[...student.parameters()].filter(([name]) => name.endsWith('weight')),
      ]);
      const optimizer = new AdamW(parameters, { learningRate: 0.03, weightDecay: 0 });
      const parts = async () => {
        const loss = distillation.loss(teacher, forward(), x);
        return { spatial: (await loss.spatial.data())[0]!, frequency: (await loss.frequency.data())[0]! };
      };
      const before = await parts();
      for (let step = 0; step < 60; step++) {
        const { value, gradients } = valueAndGradients(
          () => distillation.loss(teacher, forward(), x).total,
          parameters,
        );
        optimizer.update(gradients);
        tf.dispose([value, ...gradients.values()]);
      }
      const after = await parts();
      expect(after.spatial).toBeLessThan(0.95 * before.spatial);
      expect(after.frequency).toBeLessThan(0.95 * before.frequency);
      optimizer.dispose();
    });
  });
});

test('the configuration is data, defaults filled in', () => {
  const pairs = [outputPair(3), { name: 'up_0', teacherChannels: 4, studentChannels: 6 }];
  const { config } = new SpectrumAwareDistillation({ pairs });
  expect(JSON.parse(JSON.stringify(config))).toEqual({
    pairs: [
      { ...pairs[0], align: false },
      { ...pairs[1], align: true },
    ],
    lambdaSpatial: 0.1,
    lambdaFrequency: 0.1,
    alpha: -1,
    reduction: 'mean',
    spectrum: {},
  });
  expect(new SpectrumAwareDistillation(config).config).toEqual(config);
});

describe('errors', () => {
  const create = (config: object) => () =>
    spectrumAwareDistillation({ pairs: [outputPair(3)], ...config } as DistillationConfig);
  const pair = (fields: object) =>
    create({ pairs: [{ name: 'up_0', teacherChannels: 3, studentChannels: 3, ...fields }] });

  test('of pairs', () => {
    expect(create({ pairs: [] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: pairs must be at least one pair, got []]`,
    );
    expect(pair({ name: 'up.0' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: pairs must be named, without dots, got "up.0"]`,
    );
    expect(pair({ name: '' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: pairs must be named, without dots, got ""]`,
    );
    expect(create({ pairs: [outputPair(3), outputPair(3)] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: pairs must be pairs of different names, got "output"]`,
    );
    expect(pair({ teacherChannels: 0 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: teacherChannels of up_0 must be an integer >= 1, got 0]`,
    );
    expect(pair({ studentChannels: 1.5 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: studentChannels of up_0 must be an integer >= 1, got 1.5]`,
    );
    expect(create({ pairs: [{ ...outputPair(3), studentChannels: 4 }] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: studentChannels of output must be the teacher's 3 where the pair is not aligned, got 4]`,
    );
  });

  test('of options', () => {
    expect(create({ lambdaSpatial: -1 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: lambdaSpatial must be a number in [0, Infinity], got -1]`,
    );
    expect(create({ lambdaFrequency: Number.NaN })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: lambdaFrequency must be a number in [0, Infinity], got NaN]`,
    );
    expect(create({ alpha: 11 })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: alpha must be a number in [-10, 10], got 11]`,
    );
    expect(create({ reduction: 'max' })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation: reduction must be one of mean, sum, batch-mean, got "max"]`,
    );
  });

  test('of tensors, before any is made', async () => {
    const distillation = spectrumAwareDistillation({ pairs: PAIRS });
    const [teacher, student, x0] = [teacherTensors(), studentTensors(), cleanImages()];
    const { output, up_0 } = teacher;
    await expectTensors(0, () => {
      expect(() => distillation.loss({ output }, student, x0)).toThrowErrorMatchingInlineSnapshot(
        `[SpectralDiffusionError: SpectrumAwareDistillation.loss: teacher lacks up_1, up_0; it has output]`,
      );
      expect(() => distillation.loss(teacher, {}, x0)).toThrowErrorMatchingInlineSnapshot(
        `[SpectralDiffusionError: SpectrumAwareDistillation.loss: student lacks output, up_1, up_0; it has nothing]`,
      );
      expect(() => distillation.loss({ ...teacher, up_1: up_0 }, student, x0)).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: SpectrumAwareDistillation.loss: teacher up_1 must be [N, H, W, 5], got [2, 8, 6, 4]]`,
      );
      expect(() =>
        distillation.loss(teacher, { ...student, up_1: student.up_0 }, x0),
      ).toThrowErrorMatchingInlineSnapshot(
        `[ShapeError: SpectrumAwareDistillation.loss: student up_1 must be [2, 4, 3, 2], got [2, 8, 6, 6]]`,
      );
    });
    expect(() => distillation.loss(teacher, student, noise(1, [1, 8, 8, 3]))).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumAwareDistillation.loss: x0 must be [2, H, W, C], got [1, 8, 8, 3]]`,
    );
    expect(() =>
      distillation.loss({ ...teacher, output: tf.zeros([0, 8, 6, 3]) }, student, x0),
    ).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumAwareDistillation.loss: teacher output must be [N, H, W, 3] without an empty dimension, got [0, 8, 6, 3]]`,
    );
    const perChannel = spectrumAwareDistillation({ pairs: PAIRS, spectrum: { channels: 'none' } });
    expect(() => perChannel.loss(teacher, student, x0)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: SpectrumAwareDistillation.loss: x0 must be [2, H, W, 5], got [2, 8, 6, 3]]`,
    );
    const wrongSpectrum = spectrumAwareDistillation({ pairs: [outputPair(3)], spectrum: { epsilon: -1 } });
    await expectTensors(0, () => {
      expect(() => wrongSpectrum.loss(teacher, student, x0)).toThrowErrorMatchingInlineSnapshot(
        `[ArgumentError: spectralWeight: epsilon must be a number in [0, Infinity], got -1]`,
      );
    });
    student.output.dispose();
    expect(() => distillation.loss(teacher, student, x0)).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: SpectrumAwareDistillation.loss: student output must be a tensor that is not disposed, got [2, 8, 6, 3]]`,
    );
  });
});
