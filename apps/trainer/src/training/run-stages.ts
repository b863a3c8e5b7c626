import { existsSync } from 'node:fs';
import { downsampleFactor, type VQModel } from '@sd/autoencoder';
import { foldIn, type RandomKey, randomKey } from '@sd/core';
import { type NamedShape, OUTPUT_PAIR, pairName, SpectrumAwareDistillation } from '@sd/distill';
import { featureShapes, type UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';
import { readCaptions } from '../conditions/captions';
import type { Denoiser } from '../conditions/denoiser';
import { ReplayedDenoiser } from '../conditions/replayed-denoiser';
import { openContexts, type TextContexts } from '../conditions/text-contexts';
import { textEncoderIdentity } from '../conditions/text-encoder';
import { withSuggestion } from '../config/nearest';
import type { RunFolder } from '../config/run-folder';
import type { ModelConfig, ProjectConfig } from '../config/schema';
import type { OpenProgress } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import { readLatentIndex } from '../data/latent-shards';
import type { Latents } from '../data/latents';
import { type AnyFirstStage, isTinyModel, openFirstStageWeights, weightsDigest } from '../files/first-stage-file';
import { isOwnModel, openDenoiser } from '../files/open-denoiser';
import {
  type DiffusionMetadata,
  loadDiffusionModel,
  type Precision,
  saveDiffusionModel,
  saveFirstStage,
} from '../files/weights-file';
import { UserError } from '../user-error';
import { buildAutoencoder, buildDenoiser, buildScheduler, schedulerConfig } from './build-models';
import { chosenPairs } from './chosen-pairs';
import { DeviceWatch } from './device-watch';
import { DiffusionTask, type Teaching } from './diffusion-task';
import { firstStageSnapshots, modelSnapshots } from './draw-snapshot';
import { FirstStageTask } from './first-stage-task';
import { openPerceptualLoss } from './perceptual-loss';
import { openTeacherModule } from './teacher-module';
import { TeacherOutputs } from './teacher-outputs';
import { type TrainLoopResult, trainLoop } from './train-loop';

/** What the stages of a project share. */
export type StageContext = {
  readonly config: ProjectConfig;
  readonly folder: RunFolder;
  readonly resume: boolean;
  /** Steps after which a model's training ends for now; it is resumed from there. */
  readonly until?: number;
  /** Of the finished weights on disk. */
  readonly precision: Precision;
  readonly openProgress: OpenProgress;
  readonly signal?: AbortSignal;
  /** Takes lines for the user. */
  readonly report?: (line: string) => void;
  /** Settles when the device is lost. */
  readonly lost?: Promise<string> | undefined;
};

/** Trains the first stage, from given weights where the configuration names them, and writes the result. */
export async function runFirstStage(context: StageContext, dataset: ImageDataset): Promise<TrainLoopResult> {
  const { config, folder } = context;
  if (isTinyModel(config.firstStage.model)) {
    throw new UserError(
      'config: firstStage.model is of the TAESD family, which is used as it is: name its weights and run `sd encode`',
    );
  }
  const autoencoder = buildAutoencoder(config.firstStage.model);
  if (config.firstStage.weights) {
    const start = await openFirstStageWeights(config.firstStage.weights, config.firstStage.model);
    autoencoder.loadStateDict(await start.stateDict());
    start.dispose();
  }
  const key = foldIn(randomKey(config.seed), 'first-stage');
  if (autoencoder.kind === 'vq' && !config.firstStage.weights && !context.resume) {
    await initializeCodebook(autoencoder, dataset, key);
  }
  const perceptual =
    config.firstStage.perceptual && (await openPerceptualLoss(config.firstStage.perceptual, dataset.size));
  const task = new FirstStageTask(autoencoder, dataset, config.firstStage, key, perceptual);
  try {
    const result = await trainLoop(task, {
      ...context,
      training: config.firstStage,
      folder: folder.firstStage,
      key,
      snapshot: firstStageSnapshots(autoencoder, dataset),
    });
    context.report?.(`${(100 * task.clock.share).toFixed(1)} % of the time was spent waiting for pictures`);
    if (!result.interrupted) await saveFirstStage(folder.firstStage.weights, autoencoder, context.precision);
    return result;
  } finally {
    task.dispose();
    perceptual?.dispose();
  }
}

/** Starts a codebook at latents of the data: from random entries a short training reaches only a handful of them. */
async function initializeCodebook(model: VQModel, dataset: ImageDataset, key: RandomKey): Promise<void> {
  model.initialize(foldIn(key, 'init'));
  const pixels = (dataset.size / downsampleFactor(model.config)) ** 2;
  const count = Math.ceil(model.config.nEmbed / pixels);
  const images = await dataset.batch(Int32Array.from({ length: count }, (_, i) => i % dataset.length));
  const z = model.encode(images);
  model.quantizer.initializeFrom(z, foldIn(key, 'codebook'));
  tf.dispose([images, z]);
}

/** The finished first stage of a project; see `firstStageWeights`. */
export async function openFirstStage(context: Pick<StageContext, 'config' | 'folder'>): Promise<AnyFirstStage> {
  return openFirstStageWeights(firstStageWeights(context), context.config.firstStage.model);
}

/** Weights of a project's first stage: what was trained, else what the configuration names. @throws {UserError} */
export function firstStageWeights({ config, folder }: Pick<StageContext, 'config' | 'folder'>): string {
  const trained = folder.firstStage.weights;
  if (existsSync(trained)) return trained;
  if (config.firstStage.weights) return config.firstStage.weights;
  throw new UserError(
    `there is no first stage at ${trained}: train one with \`sd train-autoencoder\` or name firstStage.weights`,
  );
}

/** Trains one of the project's models on latents, with a teacher where its configuration asks for one. */
export async function runModel(context: StageContext, name: string, latents: Latents): Promise<TrainLoopResult> {
  const { config, folder } = context;
  const { diffusion } = config;
  const { model, denoiser, scheduler, texts, teaching, task, key, close } = await openTraining(context, name, latents);
  const { unet } = denoiser;
  const stage = folder.stage(name);
  let autoencoder: AnyFirstStage | undefined;
  try {
    // what texts are to be drawn is not known here
    if (model.sampleEvery !== undefined && denoiser.kind !== 'text') autoencoder = await openFirstStage(context);
    const { trainTimesteps } = diffusion;
    const { steps, guidance } = config.sampling;
    const { seed } = config;
    const snapshot =
      autoencoder &&
      modelSnapshots({ denoiser, scheduler, trainTimesteps, autoencoder, latents, steps, guidance, seed });
    if (model.distillation?.cache?.fill === 'before') await keepOutputs(context, task, teaching?.outputs);
    const result = await trainLoop(task, { ...context, training: model, folder: stage, key, snapshot });
    context.report?.(`${(100 * task.clock.share).toFixed(1)} % of the time was spent waiting for latents`);
    const metadata: DiffusionMetadata = {
      unet: unet.config,
      ...modelCondition(denoiser, latents, texts),
      scheduler: schedulerConfig(diffusion),
      scaleFactor: latents.scaleFactor,
    };
    if (!result.interrupted) await saveDiffusionModel(stage.weights, denoiser, metadata, context.precision);
    return result;
  } finally {
    autoencoder?.dispose();
    await close();
  }
}

/**
 * Asks the teacher of a model for all its outputs that the configuration wants kept, and trains nothing.
 * @throws the signal's reason; what is whole by then stays.
 */
export async function keepTeacherOutputs(context: StageContext, name: string, latents: Latents): Promise<void> {
  const { task, teaching, close } = await openTraining(context, name, latents);
  try {
    await keepOutputs(context, task, teaching?.outputs);
  } finally {
    await close();
  }
}

/** A model and what it is trained with; `close` disposes all of it. */
async function openTraining(context: StageContext, name: string, latents: Latents) {
  const { config } = context;
  const model = modelConfig(config, name);
  const { diffusion } = config;
  const denoiser = buildDenoiser(config, name);
  const { unet } = denoiser;
  checkLatentShape(name, unet, latents);
  checkLabels(name, denoiser, latents);
  const scheduler = buildScheduler(diffusion);
  const texts = denoiser.kind === 'text' ? await openTexts(context, name, latents, unet) : undefined;
  // Students of one project see the same examples, times and noise: the key does not depend on the name.
  const key = foldIn(randomKey(config.seed), 'diffusion');
  const teaching = model.distillation
    ? await openTeaching(context, { model, student: denoiser, latents, texts, key })
    : undefined;
  const task = new DiffusionTask({
    name,
    denoiser,
    scheduler,
    diffusion,
    latents,
    model,
    ...(config.condition ? { conditionDropout: config.condition.dropout } : {}),
    texts,
    key,
    ...(teaching ? { teaching } : {}),
  });
  const close = async () => {
    task.dispose();
    teaching?.dispose();
    await texts?.close();
    await teaching?.texts?.close();
    await teaching?.outputs?.close();
  };
  return { model, denoiser, scheduler, texts, teaching, task, key, close };
}

/** Asks the teacher for all that is to be kept before the first step. @throws the signal's reason; what is whole by then stays. */
async function keepOutputs(
  { openProgress, signal, lost, resume, report }: StageContext,
  task: DiffusionTask,
  outputs: TeacherOutputs | undefined,
): Promise<void> {
  if (!outputs || outputs.isComplete) return;
  const progress = openProgress('ask the teacher', outputs.examples, 'example');
  try {
    progress.update(outputs.kept);
    const asked = task.keepOutputs((kept) => progress.update(kept), signal);
    await new DeviceWatch(lost).guard(asked, () => resume);
  } catch (error) {
    if (signal?.aborted)
      report?.(`${outputs.written} of ${outputs.examples} examples are kept: the next run goes on from there`);
    throw error;
  } finally {
    progress.stop();
  }
}

/** The configuration of a model. @throws {UserError} that suggests the nearest name. */
export function modelConfig(config: ProjectConfig, name: string): ModelConfig {
  const model = Object.hasOwn(config.models, name) ? config.models[name] : undefined;
  if (!model) throw new UserError(`config: models has no ${withSuggestion(name, Object.keys(config.models))}`);
  return model;
}

/**
 * One of a project's models with weights of this command, of latent-diffusion or of diffusers. What the file of another
 * project does not say is the project's, and the scale factor that of its latents. @throws {UserError}
 */
export async function openProjectModel(
  { config, folder }: Pick<StageContext, 'config' | 'folder'>,
  name: string,
  weights: string,
): Promise<{ denoiser: Denoiser; metadata: DiffusionMetadata }> {
  if (!existsSync(weights)) {
    const verb = modelConfig(config, name).distillation ? 'distill' : 'train';
    throw new UserError(
      `there is no model at ${weights}: make it with \`sd ${verb} --model ${name}\`, or name other weights`,
    );
  }
  return openDenoiser(weights, {
    build: () => buildDenoiser(config, name),
    scheduler: schedulerConfig(config.diffusion),
    scaleFactor: async () => {
      const scaleFactor = config.firstStage.scaleFactor ?? (await readLatentIndex(folder.latents))?.scaleFactor;
      if (scaleFactor !== undefined) return scaleFactor;
      throw new UserError(`${weights} does not say its scale factor: name it as firstStage.scaleFactor`);
    },
  });
}

/** Weights of a model: the configuration's, else what was trained. */
export function modelWeights({ config, folder }: Pick<StageContext, 'config' | 'folder'>, name: string): string {
  return modelConfig(config, name).weights ?? folder.stage(name).weights;
}

/** The scale factor that a configuration names, or of the latents that its finished models were trained on. */
export async function givenScaleFactor(config: ProjectConfig): Promise<number | undefined> {
  if (config.firstStage.scaleFactor !== undefined) return config.firstStage.scaleFactor;
  const weights = Object.values(config.models).find((model) => model.weights !== undefined)?.weights;
  if (weights === undefined) return undefined;
  if (!(await isOwnModel(weights))) return undefined;
  const { denoiser, metadata } = await loadDiffusionModel(weights);
  denoiser.dispose();
  return metadata.scaleFactor;
}

type Pupil = {
  readonly model: ModelConfig;
  readonly student: Denoiser;
  readonly latents: Latents;
  readonly texts: TextContexts | undefined;
  /** Of the training. */
  readonly key: RandomKey;
};

async function openTeaching(
  context: StageContext,
  pupil: Pupil,
): Promise<(Teaching & { dispose(): void }) | undefined> {
  const { model, latents, texts } = pupil;
  const student = pupil.student.unet;
  if (!model.distillation) return undefined;
  const { features, lambdaSpatial, lambdaFrequency, alpha, spectrum, module, cache } = model.distillation;
  const teacher = await (module === undefined
    ? openProjectTeacher(context, model.distillation.teacher, latents, texts)
    : openModuleTeacher(module));
  let isOpen = true;
  const dispose = () => {
    if (isOpen) teacher.dispose();
    isOpen = false;
  };
  try {
    const wanted = context.config.diffusion.predictionType;
    if (teacher.predictionType !== wanted) {
      throw new UserError(
        `config: diffusion.predictionType is ${wanted}, but ${teacher.label} predicts ${teacher.predictionType}`,
      );
    }
    const { inChannels, outChannels } = student.config;
    if (teacher.channels !== inChannels) {
      throw new UserError(`${teacher.label} takes ${teacher.channels} channels, the student ${inChannels}`);
    }
    const own = { channels: outChannels, features: featureShapes(student.config) };
    const distillation = new SpectrumAwareDistillation({
      pairs: chosenPairs(teacher, own, features),
      lambdaSpatial,
      lambdaFrequency,
      alpha,
      ...(spectrum ? { spectrum } : {}),
    });
    const outputs = cache ? await openTeacherOutputs(context, pupil, teacher, distillation.pairs) : undefined;
    if (outputs?.isComplete) dispose();
    return {
      teacher: teacher.predict,
      texts: teacher.texts,
      outputs,
      distillation,
      identity: {
        ...teacher.identity,
        lambdaSpatial,
        lambdaFrequency,
        alpha,
        features,
        ...(spectrum ? { spectrum } : {}),
        ...(outputs ? { kept: 'float16' } : {}),
      },
      dispose,
    };
  } catch (error) {
    dispose();
    await teacher.texts?.close();
    throw error;
  }
}

/** Where a student's teacher is kept, with the output and the features that the student is compared with. @throws {UserError} */
function openTeacherOutputs(
  { config, folder, report }: StageContext,
  { model: { distillation, examples = 0 }, student, latents, texts, key }: Pupil,
  teacher: OpenTeacher,
  pairs: readonly string[],
): Promise<TeacherOutputs> {
  const [, height, width] = latents.shape;
  const output = { name: OUTPUT_PAIR, height, width, channels: teacher.channels };
  const { trainTimesteps, betaSchedule, betaStart, betaEnd } = config.diffusion;
  const { shape, scaleFactor, description, sha256 } = latents;
  return TeacherOutputs.open({
    folder: distillation?.cache?.folder ?? folder.teacherOutputs,
    identity: {
      teacher: teacher.identity.sha256,
      latents: { shape, scaleFactor, description, sha256 },
      diffusion: { trainTimesteps, betaSchedule, betaStart, betaEnd },
      seedKey: key.words,
      ...(student.kind === 'none' ? {} : { dropout: config.condition?.dropout }),
      ...(student.kind === 'text' ? { encoder: (teacher.texts ?? texts)?.identity } : {}),
    },
    examples,
    tensors: [output, ...teacher.features].filter(({ name }) => pairs.includes(pairName(name))),
    report,
  });
}

/** A teacher, whatever it is. */
type OpenTeacher = {
  /** For messages. */
  readonly label: string;
  readonly predict: Teaching['teacher'];
  readonly texts?: TextContexts | undefined;
  readonly predictionType: unknown;
  readonly channels: number;
  readonly features: readonly NamedShape[];
  readonly identity: Readonly<Record<string, unknown>> & { readonly sha256: string };
  dispose(): void;
};

async function openProjectTeacher(
  context: StageContext,
  name: string,
  latents: Latents,
  studentTexts: TextContexts | undefined,
): Promise<OpenTeacher> {
  const weights = modelWeights(context, name);
  if (!existsSync(weights)) {
    throw new UserError(`there is no teacher at ${weights}: train it with \`sd train --model ${name}\``);
  }
  const { denoiser, metadata } = await openProjectModel(context, name, weights);
  const { unet } = denoiser;
  try {
    if (Math.abs(metadata.scaleFactor / latents.scaleFactor - 1) > 1e-6) {
      throw new UserError(
        `teacher ${name} was trained on latents of scale factor ${metadata.scaleFactor}, these have ${latents.scaleFactor}: name its weights in the configuration and run \`sd encode\` again`,
      );
    }
    const ownTexts = denoiser.kind === 'text' ? await openTexts(context, name, latents, unet) : undefined;
    const texts = ownTexts?.identity === studentTexts?.identity ? undefined : ownTexts;
    if (!texts) await ownTexts?.close();
    const passes = new ReplayedDenoiser(denoiser);
    return {
      label: `teacher ${name}`,
      predict: (x, t, condition) => passes.forwardWithFeatures(x, t, condition),
      texts,
      predictionType: metadata.scheduler.prediction_type,
      channels: unet.config.inChannels,
      features: featureShapes(unet.config),
      identity: { name, sha256: await weightsDigest(weights), unet: unet.config },
      dispose: () => {
        passes.dispose();
        denoiser.dispose();
      },
    };
  } catch (error) {
    denoiser.dispose();
    throw error;
  }
}

async function openModuleTeacher(path: string): Promise<OpenTeacher> {
  const { predict, predictionType, channels, features = [], dispose = () => {} } = await openTeacherModule(path);
  const identity = { module: path, sha256: await weightsDigest(path) };
  return { label: `teacher ${path}`, predict, predictionType, channels, features, identity, dispose };
}

function modelCondition(
  { kind, classes }: Denoiser,
  { classNames }: Latents,
  texts: TextContexts | undefined,
): Pick<DiffusionMetadata, 'condition'> {
  if (kind === 'class') return { condition: { kind, classes, ...(classNames ? { classNames } : {}) } };
  if (!texts) return {};
  const { identity, tokens, width } = texts;
  return { condition: { kind: 'text', encoder: identity, tokens, width } };
}

/** The folder of a model's text encoder. @throws {UserError} where the project names none. */
export function textEncoderFolder(config: ProjectConfig, name: string): string {
  const folder =
    modelConfig(config, name).encoder ?? (config.condition?.kind === 'text' ? config.condition.encoder : undefined);
  if (folder === undefined) throw new UserError(`config: models.${name} is of texts: name condition.encoder`);
  return folder;
}

/** What a model's text encoder made of the texts of the latents. @throws {UserError} */
async function openTexts(
  { config, folder }: StageContext,
  name: string,
  latents: Latents,
  { config: { contextDim } }: UNet,
): Promise<TextContexts> {
  const captions = await readCaptions(folder.latents, latents.length);
  const encoder = await textEncoderIdentity(textEncoderFolder(config, name));
  const texts = await openContexts(encoder, captions, folder.contexts(encoder));
  if (texts.width === contextDim) return texts;
  await texts.close();
  throw new UserError(
    `config: models.${name}.unet has contextDim ${contextDim}, but its text encoder gives tokens ${texts.width} wide`,
  );
}

/** @throws {UserError} where a model of classes meets latents that have none, or others. */
function checkLabels(name: string, { kind, classes }: Denoiser, { labels }: Latents): void {
  if (kind !== 'class') return;
  if (!labels) {
    throw new UserError(
      `models.${name} is of classes, but the latents have none: give data of classes and encode again`,
    );
  }
  const unknown = labels.find((label) => label >= classes);
  if (unknown !== undefined) {
    throw new UserError(`config: condition.classes is ${classes}, but the data has a class ${unknown}`);
  }
}

function checkLatentShape(name: string, unet: UNet, latents: Latents): void {
  const { imageSize, inChannels } = unet.config;
  const [, height, width, channels] = latents.shape;
  if (height !== imageSize || width !== imageSize || channels !== inChannels) {
    throw new UserError(
      `config: models.${name}.unet is for ${imageSize}x${imageSize}x${inChannels}, but the latents are ${height}x${width}x${channels}`,
    );
  }
}
