import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomKey, uniformArray } from '@sd/core';
import { featureRows, featureStatistics } from '@sd/metrics';
import { SpectrumStatistics } from '@sd/spectral-loss';
import { describeBackends, expectTensors, golden } from '@sd/testing';
import { countMacs, countParameters, type UNetConfig } from '@sd/unet';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentProgress } from '../console/progress';
import { DeadLeaves } from '../data/dead-leaves';
import { encodePng } from '../data/image-file';
import { ImageFolder } from '../data/image-folder';
import { withWeights } from '../files/tensor-file';
import { loadDiffusionModel, loadFirstStage, saveDiffusionModel } from '../files/weights-file';
import { tinyPipeline } from '../sampling/tiny-pipeline';
import { schedulerConfig } from '../training/build-models';
import { saveTinyFirstStage, tinyProject } from '../training/tiny-project';
import { UserError } from '../user-error';
import { compareSets } from './compare-sets';
import { type Evaluated, openEvaluatedModel } from './evaluated';
import type { Evaluation } from './evaluation';
import { readEvaluation, writeEvaluation } from './evaluation-file';
import { evaluationTable, mismatches } from './evaluation-table';
import { type FeatureExtractor, openFeatureExtractor } from './feature-extractor';
import { datasetImages, type ImageSet } from './image-set';
import { checkEnough, measure } from './measure';
import { ReferenceCache } from './reference-cache';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sd-evaluate-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function complaintOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.then(
    () => Promise.reject(new Error('expected a complaint')),
    (reason: Error) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error.message.replaceAll(folder, 'FOLDER');
}

/** Colors' means and their squares: a network whose every feature is known. */
const means: FeatureExtractor = {
  network: 'squeezenet-1.0',
  sha256: 'means',
  features: (images: Tensor4D) =>
    tf.tidy(() => {
      const mean = tf.mean(images, [1, 2]);
      return tf.concat([mean, tf.square(mean)], 1) as tf.Tensor2D;
    }),
  dispose: () => {},
};

const compare = (generated: ImageSet, reference: ImageSet, lines: string[] = [], cache = join(folder, 'cache')) =>
  compareSets(generated, reference, {
    extractor: means,
    cache: new ReferenceCache(cache),
    batchSize: 3,
    keptRows: 100,
    openProgress: silentProgress,
    report: (line) => lines.push(line),
  });

const leaves = (seed: number, count = 8) => datasetImages(new DeadLeaves(randomKey(seed), count, 16));

describeBackends(['wasm'], () => {
  test('a set is no distance from itself, and what is measured once is not measured again', async () => {
    const lines: string[] = [];
    const first = await expectTensors(0, () => compare(leaves(1), leaves(1), lines));
    expect(lines).toEqual([]);
    expect(first.metrics).toMatchObject({ precision: 1, recall: 1, lowFrequencyError: 0, highFrequencyError: 0 });
    expect(Math.abs(first.metrics.frechetSqueezeNet ?? 1)).toBeLessThan(1e-9);
    expect(first.metrics.fid).toBeUndefined(); // these are not Inception's features
    expect(first.reference.pixels).toMatch(/^[0-9a-f]{64}$/);
    const again = await compare(leaves(1), leaves(1), lines);
    expect(again).toEqual(first);
    expect(lines).toEqual([expect.stringMatching(/^reference statistics: .*\.safetensors$/)]);
    const other = await compare(leaves(1), leaves(2), lines);
    expect(lines).toHaveLength(1); // other data has statistics of its own
    expect(other.metrics.frechetSqueezeNet).toBeGreaterThan(1e-6);
  });

  test('the numbers are those of the features and spectra, gathered in batches or at once', async () => {
    const images = async (seed: number) =>
      new DeadLeaves(randomKey(seed), 8, 16).batch(Int32Array.from({ length: 8 }, (_, i) => i));
    const gathered = async (seed: number) => {
      const x = await images(seed);
      const unit = tf.div<Tensor4D>(tf.round(tf.mul(tf.add(x, 1), 127.5)), 255);
      const features = means.features(unit);
      const rows = featureRows(Float64Array.from(await features.data()), 6);
      const spectrum = new SpectrumStatistics();
      await spectrum.add(tf.sub(tf.mul(unit, 2), 1));
      return { features: featureStatistics(rows), rows, spectrum };
    };
    const expected = await measure(await gathered(1), await gathered(2), 'inception-v3');
    const { metrics } = await compare(leaves(1), leaves(2));
    expect(expected.fid).toBeCloseTo(metrics.frechetSqueezeNet ?? Number.NaN, 6);
    expect(metrics.kid.mean).toBeCloseTo(expected.kid.mean, 6);
    expect(metrics.lowFrequencyError).toBeCloseTo(expected.lowFrequencyError, 4);
    expect(metrics.highFrequencyError).toBeCloseTo(expected.highFrequencyError, 4);
    expect([metrics.precision, metrics.recall]).toEqual([expected.precision, expected.recall]);
    expect(metrics.kid).toMatchObject({ subsets: 1, size: 8 });
  });

  test('statistics that are broken are made again', async () => {
    const cache = join(folder, 'broken');
    const whole = await compare(leaves(1), leaves(2), [], cache);
    const [file] = await readdir(cache);
    const bytes = await readFile(join(cache, file));
    for (const broken of [bytes.subarray(0, 200), Buffer.from('nothing'), bytes.fill(0xff, bytes.length - 8)]) {
      await writeFile(join(cache, file), broken);
      const lines: string[] = [];
      expect((await compare(leaves(1), leaves(2), lines, cache)).metrics).toEqual(whole.metrics);
      expect(lines).toEqual([]);
    }
  });

  describe('a model', () => {
    const config = () => tinyProject(join(folder, 'out'));
    const weights = () => join(folder, 'out', 'sd', 'model.safetensors');
    const firstStage = () => join(folder, 'out', 'first-stage', 'model.safetensors');

    beforeAll(async () => {
      const pipeline = tinyPipeline();
      const metadata = { unet: pipeline.unet.config, scheduler: schedulerConfig(config().diffusion), scaleFactor: 1.5 };
      await saveDiffusionModel(weights(), pipeline.unet, metadata, 'float32');
      await saveTinyFirstStage(config());
    });

    const open = (changes: object = {}) =>
      openEvaluatedModel({
        name: 'sd',
        weights: weights(),
        open: () => loadDiffusionModel(weights()),
        openFirstStage: () => loadFirstStage(firstStage()),
        size: 16,
        count: 5,
        steps: 3,
        seed: 3,
        defaultEta: 0,
        guidance: 3,
        signal: new AbortController().signal,
        ...changes,
      });

    const valuesOf = async ({ set }: Evaluated, batchSize: number) => {
      const values: number[] = [];
      for await (const images of set.batches(batchSize)) values.push(...(await images.data()));
      return values;
    };

    test('is sampled in batches of any size to the same images, which are kept where that is asked for', async () => {
      const keep = join(folder, 'kept');
      const model = await open({ keep });
      const { values, others } = await expectTensors(0, async () => ({
        values: await valuesOf(model, 2),
        others: await valuesOf(model, 5),
      }));
      model.dispose();
      // rounding of float32 may move a value by one of 256 levels
      expect(Math.max(...values.map((value, i) => Math.abs(value - others[i])))).toBeLessThan(2.01 / 255);
      const files = await ImageFolder.open(keep, 16);
      expect(files.files).toEqual(['000000.png', '000001.png', '000002.png', '000003.png', '000004.png']);
      const read = await files.batch([0, 1, 2, 3, 4]);
      await expect(read).toBeAllclose(others, 1e-6);
      read.dispose();
    });

    test('has its sizes, its sampling and its speed told', async () => {
      const model = await open();
      const unet = config().models.teacher.unet as unknown as UNetConfig;
      expect(model.facts.model).toMatchObject({ parameters: countParameters(unet), macs: countMacs(unet) });
      expect(model.facts.sampling).toMatchObject({ steps: 3, seed: 3, eta: 0 });
      const speed = await expectTensors(0, () => model.throughput(2, 3));
      expect(speed).toMatchObject({ batchSize: 2, runs: 3 });
      expect(speed?.stepsPerSecond).toBeGreaterThan(0);
      model.dispose();
    });

    test('that gives images of another size than the reference is refused', async () => {
      const model = await open({ size: 32 });
      expect(await complaintOf(compare(model.set, leaves(1)))).toMatchInlineSnapshot(
        `"5 samples of sd are of 16x16 pixels, the reference of 32x32"`,
      );
      model.dispose();
    });
  });

  test('SqueezeNet, whose weights are shipped, tells images apart', async () => {
    const extractor = await openFeatureExtractor(undefined);
    const images = await new DeadLeaves(randomKey(1), 4, 16).batch([0, 1]);
    const unit = tf.div<Tensor4D>(tf.add(images, 1), 2);
    const features = await expectTensors(1, () => extractor.features(unit));
    expect(features.shape).toEqual([2, 512]);
    const values = await features.data<'float32'>();
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    expect(mean).toBeGreaterThan(0.05);
    expect(mean).toBeLessThan(2);
    expect(values.slice(0, 512)).not.toEqual(values.slice(512));
    tf.dispose([images, unit, features]);
    extractor.dispose();
  });

  test('weights of Inception that are none are refused by name', async () => {
    const torch = join(folder, 'other.pth');
    await writeFile(torch, golden('torch-tensors.pth'));
    expect((await complaintOf(openFeatureExtractor(torch))).split('\n')[0]).toMatchInlineSnapshot(
      `"FOLDER/other.pth: InceptionV3.loadStateDict: the state dict is not of this architecture"`,
    );
    const names = await withWeights(torch, async (file) => file.names);
    expect(names.length).toBeGreaterThan(1);
    expect(await complaintOf(openFeatureExtractor(join(folder, 'absent.pth')))).toMatchInlineSnapshot(
      `"cannot read FOLDER/absent.pth: no such file"`,
    );
    await writeFile(join(folder, 'text.pth'), 'weights');
    expect(await complaintOf(openFeatureExtractor(join(folder, 'text.pth')))).toMatchInlineSnapshot(
      `"FOLDER/text.pth: openSafetensors: file must be at least 8 bytes, got 7"`,
    );
    await mkdir(join(folder, 'a-folder'));
    expect(await complaintOf(openFeatureExtractor(join(folder, 'a-folder')))).toMatchInlineSnapshot(
      `"cannot read FOLDER/a-folder: it is a folder"`,
    );
  });
});

const spectrum = { frequency: [0.1, 0.6], power: [2, 1] };

function evaluation(name: string, changes: Partial<Evaluation> = {}): Evaluation {
  return {
    format: 'sd-evaluation-1',
    name,
    date: '2026-01-02T03:04:05.000Z',
    backend: 'wasm',
    generated: { description: `samples of ${name}`, count: 1000, size: 64 },
    reference: { description: 'pictures', count: 2400, pixels: 'ab' },
    features: { network: 'squeezenet-1.0', sha256: 'cd' },
    metrics: {
      frechetSqueezeNet: 12.345,
      kid: { mean: 0.0123, deviation: 0.001, subsets: 100, size: 1000 },
      precision: 0.5,
      recall: 0.25,
      single: { generated: 1000, reference: 2400 },
      lowFrequencyError: 0.1,
      highFrequencyError: 0.2,
    },
    spectra: { generated: spectrum, reference: spectrum },
    ...changes,
  };
}

const model = { weights: 'w', sha256: 'ef', parameters: 21_098_051, macs: 6.73e9 };

test('evaluations stand side by side, the better of each line marked', () => {
  const lite = evaluation('lite', { model: { ...model, parameters: 22_411_843, macs: 7.85e9 } });
  const sd = evaluation('sd', {
    model,
    sampling: { scheduler: {}, steps: 50, seed: 0 },
    throughput: { stepsPerSecond: 3.25, batchSize: 64, runs: 30 },
    metrics: { ...lite.metrics, frechetSqueezeNet: 10, recall: 0.3, highFrequencyError: 0.15 },
  });
  expect(`\n${evaluationTable([lite, sd])}\n`).toMatchInlineSnapshot(`
    "
                                            lite              sd
    images                                 1,000           1,000
    against                                2,400           2,400
    pixels                                    64              64
    features                      squeezenet-1.0  squeezenet-1.0
    sampling                                   —   own, 50 steps
    batch of steps/s                           —              64
    Frechet distance, SqueezeNet          12.3            10.0 *
    KID x 1000                            12.3            12.3
    precision                            0.500           0.500
    recall                               0.250           0.300 *
    low-frequency error                  0.100           0.100
    high-frequency error                 0.200           0.150 *
    parameters                          22.4 M          21.1 M
    MACs a step                         7.85 G          6.73 G
    steps/s                                  —            3.25
    "
  `);
  expect(mismatches([lite, sd])).toEqual([]);
});

test('evaluations that cannot be compared say why, and nothing is marked as better', () => {
  const a = evaluation('a');
  const b = evaluation('b', {
    features: { network: 'inception-v3', sha256: 'xy' },
    generated: { ...a.generated, count: 500 },
    reference: { ...a.reference, pixels: 'other' },
    metrics: { ...a.metrics, fid: 8, precision: 0.9 },
  });
  expect(mismatches([a, b])).toMatchInlineSnapshot(`
    [
      "feature networks differ: squeezenet-1.0, inception-v3",
      "weights of the feature network differ: cd, xy",
      "reference images differ: ab, other",
      "numbers of images differ: 1000, 500",
    ]
  `);
  expect(evaluationTable([a, b])).not.toContain('*');
});

test('an evaluation is read back from its file or its folder; others are refused', async () => {
  const run = join(folder, 'run');
  await writeEvaluation(join(run, 'evaluation.json'), evaluation('sd'));
  expect(await readEvaluation(run)).toEqual(evaluation('sd'));
  expect(await readEvaluation(join(run, 'evaluation.json'))).toEqual(evaluation('sd'));
  expect(await complaintOf(readEvaluation(join(folder, 'nowhere')))).toMatchInlineSnapshot(
    `"there is no evaluation at FOLDER/nowhere: make one with \`sd evaluate --config FILE --model NAME\`"`,
  );
  await writeFile(join(folder, 'broken.json'), '{"format": ');
  expect(await complaintOf(readEvaluation(join(folder, 'broken.json')))).toMatch(
    /^FOLDER\/broken.json: not an evaluation: /,
  );
  await writeFile(join(folder, 'other.json'), JSON.stringify({ ...evaluation('x'), metrics: { precision: 1 } }));
  expect(await complaintOf(readEvaluation(join(folder, 'other.json')))).toMatchInlineSnapshot(
    `"FOLDER/other.json: not an evaluation: metrics.kid: Invalid input: expected object, received undefined"`,
  );
});

test('too few images are refused before any is measured', () => {
  expect(() => checkEnough('sd', 3)).toThrowErrorMatchingInlineSnapshot(
    `[UserError: sd: 3 images, but precision and recall need at least 4]`,
  );
});

test('rows of a set are in an order that does not depend on how it is sorted, and the same every time', async () => {
  const png = (level: number) => encodePng(new Uint8Array(16 * 16 * 3).fill(level), 16, 16);
  const pictures = join(folder, 'pictures');
  await mkdir(pictures);
  for (let i = 0; i < 9; i++) await writeFile(join(pictures, `${i}.png`), await png(10 * i));
  const set = datasetImages(await ImageFolder.open(pictures, 16), 5);
  expect(set.length).toBe(5);
  const levels = async () => {
    const seen: number[] = [];
    for await (const images of set.batches(2)) {
      const data = await images.data();
      for (let i = 0; i < images.shape[0]; i++) seen.push(Math.round((data[i * 768] + 1) * 12.75));
    }
    return seen;
  };
  const first = await levels();
  expect(first).not.toEqual([0, 1, 2, 3, 4]);
  expect(new Set(first).size).toBe(5);
  expect(await levels()).toEqual(first);
});

test('rows that are kept are the first, and the metrics say of how many they are', async () => {
  const rows = (seed: number, count: number) => {
    const values = Float64Array.from(uniformArray(randomKey(seed), count * 4));
    return featureRows(values, 4);
  };
  const spectra = new SpectrumStatistics();
  const x = tf.ones([2, 8, 8, 1]) as Tensor4D;
  await spectra.add(x);
  x.dispose();
  const set = (seed: number, count: number) => ({
    features: featureStatistics(rows(seed, count)),
    rows: rows(seed, count),
    spectrum: spectra,
  });
  const metrics = await measure(set(1, 20), set(2, 30), 'inception-v3');
  expect(metrics.single).toEqual({ generated: 20, reference: 30 });
  expect(metrics.kid).toMatchObject({ subsets: 100, size: 20 });
  expect(metrics.fid).toBeGreaterThan(0);
  expect(metrics.frechetSqueezeNet).toBeUndefined();
});
