import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countParameters, presets } from '@sd/unet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { buildDenoiser } from '../training/build-models';
import { UserError } from '../user-error';
import { loadConfig, parseConfig } from './load-config';

const configs = fileURLToPath(new URL('../../configs', import.meta.url));
const unet = {
  imageSize: 8,
  inChannels: 8,
  outChannels: 8,
  modelChannels: 8,
  channelMult: [1],
  numResBlocks: 1,
  attentionResolutions: [],
  numHeads: 1,
};
const training = { steps: 10, batchSize: 2 };
const project = {
  out: 'out',
  data: { source: 'dead-leaves', size: 32 },
  firstStage: { model: 'tiny-kl-f4', ...training },
  models: { teacher: { unet, ...training } },
};

/** What `parseConfig` says of a value. */
function complaint(value: unknown): string {
  try {
    parseConfig(value, 'project.yaml');
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error('expected a complaint');
}

const withModels = (models: unknown) => complaint({ ...project, models });
const withUNet = (changes: object) => withModels({ teacher: { unet: { ...unet, ...changes }, ...training } });

describe('a project', () => {
  test('gets the defaults of everything left out', () => {
    const { seed, backend, diffusion, sampling, models, firstStage } = parseConfig(project, 'project.yaml');
    expect({ seed, backend, diffusion, sampling }).toEqual({
      seed: 0,
      backend: 'auto',
      diffusion: {
        trainTimesteps: 1000,
        betaSchedule: 'scaled_linear',
        betaStart: 0.0015,
        betaEnd: 0.0195,
        predictionType: 'epsilon',
      },
      sampling: { steps: 50, eta: 0, count: 16, guidance: 1 },
    });
    expect(models.teacher).toEqual({
      unet,
      ...training,
      learningRate: 1e-3,
      weightDecay: 1e-2,
      betas: [0.9, 0.999],
      warmupSteps: 0,
      maxGradientNorm: 1,
      emaDecay: 0.9999,
      checkpointEvery: 500,
      keepCheckpoints: 1,
      keepBest: false,
      onBadLoss: 'stop',
    });
    expect(firstStage.klWeight).toBe(1e-6);
  });

  test('with many mistakes is refused once, with all of them', () => {
    expect(
      complaint({
        outt: 1,
        seed: 1.5,
        backend: 'wsm',
        data: { source: 'folder', pth: 'x', size: 'a', flip: 1 },
        firstStage: { model: 'tiny-kl-f5', ...training, lerningRate: 1 },
        diffusion: { betaSchedule: 'lin', betaStart: -1 },
        models: {
          teacher: { unet: { ...unet, modelChanels: 3 }, ...training },
          sd: {
            unet: { ...unet, wavelet: { gateHiden: 4 } },
            steps: 0,
            distillation: { techer: 'x', teacher: 'teachr' },
          },
        },
        sampling: { eta: 2, stps: 3 },
      }),
    ).toMatchInlineSnapshot(`
      "config: project.yaml has 20 mistakes:
        out: missing, expected string
        seed: expected a whole number
        backend: expected one of "auto", "webgpu", "cuda", "wasm", "cpu"
        data.path: missing, expected string
        data.size: expected number, received string
        data.flip: expected boolean, received number
        data: unknown key "pth" (did you mean "path"?)
        firstStage: unknown key "lerningRate" (did you mean "learningRate"?)
        diffusion.betaSchedule: expected one of "linear", "scaled_linear", "squaredcos_cap_v2", "sigmoid"
        diffusion.betaStart: Too small: expected number to be >0
        models.sd.steps: Too small: expected number to be >0
        models.sd.batchSize: missing, expected number
        models.sd.distillation: unknown key "techer" (did you mean "teacher"?)
        sampling.eta: Too big: expected number to be <=1
        sampling: unknown key "stps" (did you mean "steps"?)
        top level: unknown key "outt" (did you mean "out"?)
        firstStage.model: no preset "tiny-kl-f5" (did you mean "tiny-kl-f2"?)
        models.teacher.unet: unknown key "modelChanels" (did you mean "modelChannels"?)
        models.sd.unet.wavelet: unknown key "gateHiden" (did you mean "gateHidden"?)
        models.sd.distillation.teacher: no model "teachr" (did you mean "teacher"?)"
    `);
  });

  test('of another type altogether is refused', () => {
    expect(complaint(null)).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        top level: expected object, received null"
    `);
    expect(complaint([])).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        top level: expected object, received array"
    `);
    expect(complaint({ ...project, data: 'photographs' })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        data: expected one of "dead-leaves", "folder", "class-folder", "tar", "lmdb", "webdataset", "coco", "parquet""
    `);
    expect(complaint({ ...project, data: { source: 'folde' } })).toMatchInlineSnapshot(`
      "config: project.yaml has 2 mistakes:
        data.source: expected one of "dead-leaves", "folder", "class-folder", "tar", "lmdb", "webdataset", "coco", "parquet"
        models.teacher.unet: it is for 8x8x8, but the first stage makes latents of 16x16x8"
    `);
    expect(complaint({ ...project, models: { teacher: 5, sd: { unet: 5, ...training } } })).toMatchInlineSnapshot(`
      "config: project.yaml has 2 mistakes:
        models.teacher: expected object, received number
        models.sd.unet: expected a preset's name or a configuration"
    `);
    expect(complaint({ ...project, firstStage: { ...training } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: missing, expected a preset's name or a configuration"
    `);
  });

  test('suggests no name where none is near, but lists the valid ones', () => {
    expect(complaint({ ...project, sampling: { temperature: 1 } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        sampling: unknown key "temperature" (valid: steps, eta, count, guidance)"
    `);
  });

  test('keeps the folders of its models apart', () => {
    const model = project.models.teacher;
    expect(withModels({ 'first-stage': model, '../x': model })).toMatchInlineSnapshot(`
      "config: project.yaml has 2 mistakes:
        models.first-stage: the first stage's folder has that name
        models.../x: the name of a model is lower-case letters, digits and "-", a letter first"
    `);
  });
});

describe('a model', () => {
  test('that no preset has the name of is refused with the nearest', () => {
    expect(withModels({ teacher: { unet: 'sd-fhq', ...training } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: no preset "sd-fhq" (did you mean "sd-ffhq"?)"
    `);
    expect(complaint({ ...project, firstStage: { model: 'kl-f9', ...training } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: no preset "kl-f9" (did you mean "kl-f4"?)"
    `);
    expect(withModels({ teacher: { unet: 'constructor', ...training } })).toMatch(/no preset "constructor"/);
  });

  test('with an unknown key is refused with the nearest valid one, at any depth', () => {
    expect(withUNet({ chanelMult: [1] })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: unknown key "chanelMult" (did you mean "channelMult"?)"
    `);
    expect(withUNet({ resample: 'wavelet', wavelet: { gates: 'band' } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet.wavelet: unknown key "gates" (did you mean "gate"?)"
    `);
  });

  test('whose values cannot be is refused in the words of its package', () => {
    expect(withUNet({ modelChannels: 'wide' })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: UNetConfig: modelChannels must be an integer >= 2, got "wide""
    `);
    expect(withUNet({ channelMult: [1, 2, 4, 8, 16] })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: UNetConfig: imageSize must be a multiple of 16, for 5 levels, got 8"
    `);
    expect(withUNet({ attentionResolutions: [8] })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: UNetConfig: attentionResolutions must be downsample factors (not sizes), of 1 for 1 levels, got [8]"
    `);
    const { imageSize: _, ...without } = unet;
    expect(withModels({ teacher: { unet: without, ...training } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: UNetConfig: imageSize must be an integer >= 1, got undefined"
    `);
  });

  test('that does not fit the latents is refused before anything is trained', () => {
    expect(withUNet({ imageSize: 16, inChannels: 4, outChannels: 4 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: it is for 16x16x4, but the first stage makes latents of 8x8x8"
    `);
    expect(complaint({ ...project, data: { source: 'folder', path: 'x', size: 30 } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        data.size: 30 is not a multiple of 4, by which the first stage makes images smaller"
    `);
    expect(withUNet({ outChannels: 4 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: outChannels is 4, but must be inChannels, 8"
    `);
    expect(withUNet({ numClasses: 10 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.unet: it needs a condition: give the project a section condition, such as { kind: class, classes: 10 }"
    `);
  });

  test('has a batch that its small batches make up', () => {
    const model = { unet, steps: 10, batchSize: 12 };
    expect(withModels({ teacher: { ...model, microBatchSize: 5 } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.teacher.microBatchSize: 5 does not divide the batchSize, 12"
    `);
    const accumulated = { ...model, microBatchSize: 4 };
    expect(parseConfig({ ...project, models: { teacher: accumulated } }, '').models.teacher).toMatchObject(accumulated);
    expect(complaint({ ...project, firstStage: { ...project.firstStage, microBatchSize: 4 } })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.microBatchSize: 4 does not divide the batchSize, 2"
    `);
  });

  test('learns from a teacher that exists and is not itself', () => {
    const student = (teacher: string) => ({
      ...project.models,
      sd: { unet, ...training, distillation: { teacher } },
    });
    expect(withModels(student('techer'))).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.sd.distillation.teacher: no model "techer" (did you mean "teacher"?)"
    `);
    expect(withModels(student('sd'))).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        models.sd.distillation.teacher: a model cannot be its own teacher"
    `);
  });
});

test('what a teacher says is kept for a finite set of examples', async () => {
  const student = (changes: object, cache: object) => ({
    teacher: project.models.teacher,
    sd: { unet, ...training, ...changes, distillation: { cache } },
  });
  expect(withModels(student({}, {}))).toMatchInlineSnapshot(`
    "config: project.yaml has a mistake:
      models.sd.distillation.cache: it keeps the teacher's outputs for a finite set of noisy examples: say how many as models.sd.examples"
  `);
  expect(withModels(student({ examples: 0.5 }, { fil: 'during' }))).toMatchInlineSnapshot(`
    "config: project.yaml has 2 mistakes:
      models.sd.examples: expected a whole number
      models.sd.distillation.cache: unknown key "fil" (did you mean "fill"?)"
  `);
  expect(withModels(student({ examples: 8 }, { fill: 'after' }))).toMatchInlineSnapshot(`
    "config: project.yaml has a mistake:
      models.sd.distillation.cache.fill: expected one of "before", "during""
  `);
  const { distillation } = parseConfig({ ...project, models: student({ examples: 8 }, {}) }, '').models.sd;
  expect(distillation?.cache).toEqual({ fill: 'before' });
});

describe('a first stage that is written out', () => {
  const model = {
    kind: 'kl',
    doubleZ: true,
    ch: 8,
    chMult: [1, 1],
    numResBlocks: 1,
    attnResolutions: [],
    attnType: 'none',
    inChannels: 3,
    outCh: 3,
    resolution: 32,
    dropout: 0,
    norm: 'none',
    normGroups: 8,
    init: 'linear',
    zChannels: 4,
    embedDim: 8,
  };
  const check = (changes: object) =>
    complaint({ ...project, firstStage: { model: { ...model, ...changes }, ...training } });

  test('is taken', () => {
    const fitting = { ...project, data: { source: 'dead-leaves', size: 16 } };
    const config = parseConfig({ ...fitting, firstStage: { model, ...training } }, 'project.yaml');
    expect(config.firstStage.model).toEqual(model);
  });

  test('is refused for unknown keys, with the nearest, and for values in the words of its package', () => {
    expect(check({ embedDims: 4 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: unknown key "embedDims" (did you mean "embedDim"?)"
    `);
    expect(check({ nEmbed: 4 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: unknown key "nEmbed" (valid: ch, numResBlocks, attnResolutions, attnType, inChannels, outCh, resolution, dropout, norm, normGroups, init, kind, doubleZ, quantConv, chMult, zChannels, embedDim)"
    `);
    expect(check({ kind: 'kll' })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: AutoencoderConfig: kind must be 'kl' or 'vq', got "kll""
    `);
    expect(check({ ch: -1 })).toMatchInlineSnapshot(`
      "config: project.yaml has a mistake:
        firstStage.model: AutoencoderConfig: ch must be an integer >= 1, got -1"
    `);
  });
});

test.each(readdirSync(configs, { withFileTypes: true }).filter((entry) => entry.isFile()))(
  'the example $name is a project',
  async ({ name }) => {
    const { out, models } = await loadConfig(join(configs, name));
    expect(isAbsolute(out)).toBe(true);
    expect(Object.keys(models)).toContain('teacher');
  },
);

describe('the published runs', () => {
  /** docs/method.md section 3: parameters of LDM, Lite-LDM and SD. Those of the class embedding are not among them. */
  const parameters = {
    ffhq: [274_056_163, 22_411_843, 21_098_051],
    celebahq: [274_056_163, 22_411_843, 21_098_051],
    'lsun-bedroom': [274_056_163, 22_411_843, 21_098_051],
    'lsun-church': [294_966_916, 32_827_268, 33_766_404],
    imagenet: [400_920_579, 47_026_179, 45_390_339],
    coco: [872_300_484, 81_480_484, 77_630_884],
  } as const;
  const runs = Object.entries(parameters).flatMap(([set, counts]) =>
    (['ldm', 'lite', 'sd'] as const).map((form, i) => ({ set, form, count: counts[i] })),
  );

  test('are all there', () => {
    const folders = readdirSync(configs, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const files = folders.flatMap(({ name }) => readdirSync(join(configs, name)).map((file) => `${name}/${file}`));
    expect(files.sort()).toEqual(runs.map(({ set, form }) => `${set}/${form}.yaml`).sort());
  });

  test.each(runs)('$set/$form.yaml has the paper’s size and training', async ({ set, form, count }) => {
    const config = await loadConfig(join(configs, set, `${form}.yaml`));
    const name = form === 'ldm' ? 'teacher' : form;
    const model = config.models[name];
    const preset = model.unet as keyof typeof presets;
    expect(countParameters(presets[preset])).toBe(count);
    const conditional = set === 'imagenet' || set === 'coco';
    expect(model).toMatchObject({
      steps: 150_000,
      batchSize: conditional ? 256 : 512,
      learningRate: conditional ? 5.12e-4 : 1.024e-3,
      warmupSteps: 0,
      emaDecay: 0.9999,
    });
    expect(config.sampling).toMatchObject({
      steps: 200,
      eta: 0,
      guidance: { imagenet: 3, coco: 2 }[set as string] ?? 1,
    });
    const f8 = set === 'lsun-church' || set === 'coco';
    expect(config.data).toMatchObject({ size: 256 });
    expect(config.firstStage.model).toBe(f8 ? 'kl-f8' : 'vq-f4');
    expect(model.distillation !== undefined).toBe(form === 'sd');
    if (form === 'sd') {
      expect(model.distillation).toMatchObject({
        lambdaSpatial: 0.1,
        lambdaFrequency: 0.1,
        alpha: -1,
        features: 'all',
      });
    }
    // the condition fits: what is trained is counted with it
    const { trained } = buildDenoiser(config, name);
    expect(trained.parameterCount - count).toBe(set === 'imagenet' ? 1001 * 512 : 0);
  });
});

test('the example of the README is a project that sets every key', async () => {
  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const [, yaml] = /```yaml\n(.*?)```/s.exec(readme) ?? [];
  const source = parse(yaml);
  const config = parseConfig(source, 'README.md');
  const { weights: _, ...firstStage } = { weights: '', ...config.firstStage };
  expect(source).toEqual({ ...config, firstStage, models: source.models }); // nothing is filled in by default
  expect(source.models.sd.distillation).toEqual(config.models.sd.distillation);
});

test.each(readmeSections())('the section of the README %s is valid', (_, section) => {
  const data = { source: 'dead-leaves', size: 32 };
  const small = { ...data, size: section.firstStage ? 64 : 8 * 4 };
  expect(parseConfig({ ...project, models: {}, data: small, ...section }, 'README.md')).toMatchObject(section);
});

/** Examples of single sections. */
function readmeSections(): [string, Record<string, unknown>][] {
  const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');
  const [, ...examples] = [...readme.matchAll(/```yaml\n(.*?)```/gs)].map(([, yaml]) => yaml);
  return examples.map((yaml) => [yaml.split('\n')[0], parse(yaml)]);
}

describe('a file', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sd-config-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  const load = async (text: string) => {
    const path = join(folder, 'project.yaml');
    await writeFile(path, text);
    return loadConfig(path);
  };
  const complaintOf = (promise: Promise<unknown>) =>
    promise.then(
      () => Promise.reject(new Error('expected a complaint')),
      (error: Error) => {
        expect(error).toBeInstanceOf(UserError);
        return error.message.replaceAll(folder, 'FOLDER');
      },
    );

  test('has its paths relative to itself', async () => {
    const config = await load(
      JSON.stringify({
        ...project,
        out: '../out',
        data: { source: 'folder', path: 'photographs', size: 32 },
        firstStage: { ...project.firstStage, weights: 'stage.safetensors' },
        models: { teacher: { ...project.models.teacher, weights: '/elsewhere/teacher.safetensors' } },
      }),
    );
    expect(config.out).toBe(join(folder, '..', 'out'));
    expect(config.data).toMatchObject({ path: join(folder, 'photographs') });
    expect(config.firstStage.weights).toBe(join(folder, 'stage.safetensors'));
    expect(config.models.teacher.weights).toBe('/elsewhere/teacher.safetensors');
  });

  test('that is missing or a folder is refused', async () => {
    expect(await complaintOf(loadConfig(join(folder, 'none.yaml')))).toMatchInlineSnapshot(
      `"config: cannot read FOLDER/none.yaml: no such file"`,
    );
    expect(await complaintOf(loadConfig(folder))).toMatchInlineSnapshot(`"config: cannot read FOLDER: it is a folder"`);
  });

  test('that is not YAML is refused with the place', async () => {
    expect(await complaintOf(load('out: [1, 2\nseed: }'))).toMatchInlineSnapshot(`
      "config: FOLDER/project.yaml is not valid YAML: Flow sequence in block collection must be sufficiently indented and end with a ] at line 2, column 1:

      out: [1, 2
      seed: }
      ^"
    `);
    expect(await complaintOf(load('out: a\nout: b'))).toMatchInlineSnapshot(`
      "config: FOLDER/project.yaml is not valid YAML: Map keys must be unique at line 2, column 1:

      out: a
      out: b
      ^"
    `);
    expect(await complaintOf(load(''))).toMatchInlineSnapshot(`
      "config: FOLDER/project.yaml has a mistake:
        top level: expected object, received null"
    `);
  });

  test('that would grow without end is refused', async () => {
    const doubling = Array.from({ length: 30 }, (_, i) => `a${i + 1}: &a${i + 1} [*a${i}, *a${i}]`).join('\n');
    expect(await complaintOf(load(`a0: &a0 [x]\n${doubling}`))).toMatchInlineSnapshot(
      `"config: FOLDER/project.yaml is not valid YAML: Excessive alias count indicates a resource exhaustion attack"`,
    );
  });
});
