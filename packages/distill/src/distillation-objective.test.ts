import { valueAndGradients } from '@sd/nn';
import { ddpmScheduler, minSnrWeight } from '@sd/schedulers';
import { describeBackends, expectTensors } from '@sd/testing';
import { featureShapes, UNet } from '@sd/unet';
import type { Scalar, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { expect, test } from 'vitest';
import type { DiffusionModel } from './diffusion-model';
import { distillationBatch, distillationObjective } from './distillation-objective';
import { pairFeatures } from './feature-pair';
import { spectrumAwareDistillation } from './spectrum-aware-distillation';
import { noise } from './test-values';

const SHAPE = [2, 4, 4, 3] as const;
const output = { name: 'output', teacherChannels: 3, studentChannels: 3 };
const hidden = { name: 'hidden', teacherChannels: 3, studentChannels: 3, align: false };
const times = [10, 900];

/** Scales its input: by t, by a condition, and as a feature. */
const scaling: DiffusionModel<number> = (x, t, condition) => ({
  output: tf.tidy(() =>
    tf.mul<Tensor4D>(
      x,
      tf.tensor4d(
        t.map((step) => (condition * step) / 1000),
        [t.length, 1, 1, 1],
      ),
    ),
  ),
  features: { hidden: tf.mul<Tensor4D>(x, condition), unused: tf.clone(x) },
});

describeBackends(['cpu', 'wasm'], () => {
  test('the batch holds x_t, the target of the scheduler, the weights and what the teacher makes of x_t', async () => {
    const [x0, eps] = [noise(1, SHAPE), noise(2, SHAPE)];
    const scheduler = ddpmScheduler({ predictionType: 'v_prediction' });
    const distillation = spectrumAwareDistillation({ pairs: [output, hidden] });
    const batch = await expectTensors(6, () =>
      distillationBatch(x0, {
        noise: eps,
        t: times,
        condition: 3,
        teacher: scaling,
        scheduler,
        distillation,
        minSnrGamma: 5,
      }),
    );
    await expect(batch.x0).toBeAllclose(x0);
    await expect(batch.x).toBeAllclose(scheduler.addNoise(x0, eps, times));
    await expect(batch.target).toBeAllclose(scheduler.velocity(x0, eps, times));
    const options = { gamma: 5, predictionType: 'v_prediction' } as const;
    await expect(batch.weight).toBeAllclose(times.map((t) => minSnrWeight(scheduler.snr(t), options)));
    expect(Object.keys(batch.taught)).toEqual(['output', 'hidden']);
    const expected = scaling(batch.x, times, 3);
    await expect(batch.taught.output!).toBeAllclose(expected.output);
    await expect(batch.taught.hidden!).toBeAllclose(expected.features!.hidden!);
    expect([batch.t, batch.condition]).toEqual([times, 3]);
    await expectTensors(-6, () => batch.dispose());
    await expect(x0, 'still there').toBeAllclose(noise(1, SHAPE));
  });

  test('the objective is the weighted error of the prediction plus the distillation’s total', async () => {
    const [x0, eps] = [noise(1, SHAPE), noise(2, SHAPE)];
    const scheduler = ddpmScheduler();
    const distillation = spectrumAwareDistillation({ pairs: [output, hidden] });
    const shared = { noise: eps, t: times, condition: 3, teacher: scaling, scheduler, distillation };
    const batch = distillationBatch(x0, { ...shared, p2Gamma: 1 });
    const student: typeof scaling = (x, t, condition) => scaling(x, t, condition - 1);
    // loss, diffusion, total, spatial, frequency, and two parts of two pairs
    const objective = await expectTensors(9, () => distillationObjective(batch, { student, distillation }));
    const prediction = student(batch.x, times, 3);
    const diffusion = tf.mean(tf.mul(tf.squaredDifference(prediction.output, eps), batch.weight)) as Scalar;
    await expect(objective.diffusion).toBeAllclose(diffusion);
    const distilled = distillation.loss(
      batch.taught,
      { output: prediction.output, hidden: prediction.features!.hidden! },
      x0,
    );
    await expect(objective.total).toBeAllclose(distilled.total);
    await expect(objective.loss).toBeAllclose(tf.add(diffusion, distilled.total));

    // The same reduction everywhere keeps the proportions.
    const summed = spectrumAwareDistillation({ pairs: [output, hidden], reduction: 'batch-mean' });
    const sum = distillationObjective(batch, { student, distillation: summed });
    await expect(sum.loss).toBeAllclose(tf.mul(objective.loss, 48));
  });
});

// A whole network: quick on wasm only.
describeBackends(['wasm'], () => {
  test('a UNet learns from a wider one: every weight of student and alignments gets a gradient', async () => {
    const config = {
      imageSize: 8,
      inChannels: 3,
      outChannels: 3,
      modelChannels: 16,
      channelMult: [1, 2],
      numResBlocks: 1,
      attentionResolutions: [],
      numHeads: 1,
      normGroups: 8,
    };
    const [large, small] = [new UNet({ ...config, modelChannels: 24 }), new UNet({ ...config, resample: 'wavelet' })];
    const distillation = spectrumAwareDistillation({
      pairs: [output, ...pairFeatures(featureShapes(large.config), featureShapes(small.config))],
    });
    expect(distillation.pairs).toEqual(['output', 'up_1', 'up_0']);
    const scheduler = ddpmScheduler();
    const [x0, eps] = [noise(1, [2, 8, 8, 3]), noise(2, [2, 8, 8, 3])];
    const batch = distillationBatch(x0, {
      noise: eps,
      t: times,
      teacher: (x, t) => large.forwardWithFeatures(x, t),
      scheduler,
      distillation,
    });
    const parameters = new Map([
      ...[...small.parameters()].map(([name, parameter]) => [`model.${name}`, parameter] as const),
      ...[...distillation.parameters()].map(([name, parameter]) => [`alignments.${name}`, parameter] as const),
    ]);
    const student: DiffusionModel = (x, t) => small.forwardWithFeatures(x, t);
    const loss = () => distillationObjective(batch, { student, distillation }).loss;
    const { value, gradients } = valueAndGradients(loss, parameters);
    expect([...gradients.keys()].sort()).toEqual([...parameters.keys()].sort());
    const nonzero = await tf.max(tf.abs(gradients.get('model.input_blocks.0.0.weight')!)).data();
    // The zero-initialised output lets nothing through: this is what the features teach.
    expect(nonzero[0]).toBeGreaterThan(1e-6);
    tf.dispose([value, ...gradients.values()]);
    batch.dispose();
  });
});

test('each error says what is wrong, and leaves no tensor', async () => {
  const [x0, eps] = [noise(1, SHAPE), noise(2, SHAPE)];
  const distillation = spectrumAwareDistillation({ pairs: [output, hidden] });
  const shared = { noise: eps, t: times, condition: 3, teacher: scaling, scheduler: ddpmScheduler(), distillation };
  const flat = tf.zeros([2, 4, 4]) as tf.Tensor as Tensor4D;
  await expectTensors(0, () => {
    expect(() => distillationBatch(flat, shared)).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: distillationBatch: x0 must be [N, H, W, C], got [2, 4, 4]]`,
    );
    expect(() => distillationBatch(x0, { ...shared, t: [10] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: addNoise: t must be 2 timesteps, one per sample of x0, got [10]]`,
    );
    expect(() => distillationBatch(x0, { ...shared, t: [10, 1000] })).toThrowErrorMatchingInlineSnapshot(
      `[ArgumentError: snr: t must be an integer in [0, 999], got 1000]`,
    );
    expect(() =>
      distillationBatch(x0, { ...shared, teacher: (x) => ({ output: tf.clone(x) }) }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[SpectralDiffusionError: distillationBatch: teacher lacks hidden; it has output]`,
    );
  });
  const batch = distillationBatch(x0, shared);
  await expectTensors(0, () => {
    const wide: DiffusionModel<number> = (x) => ({ output: tf.concat([x, x], 3) });
    expect(() => distillationObjective(batch, { student: wide, distillation })).toThrowErrorMatchingInlineSnapshot(
      `[ShapeError: distillationObjective: output of the student must be [2, 4, 4, 3], got [2, 4, 4, 6]]`,
    );
    const bare: DiffusionModel<number> = (x) => ({ output: tf.clone(x) });
    expect(() => distillationObjective(batch, { student: bare, distillation })).toThrowErrorMatchingInlineSnapshot(
      `[SpectralDiffusionError: SpectrumAwareDistillation.loss: student lacks hidden; it has output]`,
    );
  });
});
