import { existsSync } from 'node:fs';
import { type Autoencoder, downsampleFactor, type VQModel } from '@sd/autoencoder';
import { foldIn, type RandomKey, randomKey } from '@sd/core';
import { OUTPUT_PAIR, pairFeatures, SpectrumAwareDistillation } from '@sd/distill';
import { featureShapes, type UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';
import type { Denoiser } from '../conditions/denoiser';
import { withSuggestion } from '../config/nearest';
import type { RunFolder } from '../config/run-folder';
import type { ModelConfig, ProjectConfig } from '../config/schema';
import type { OpenProgress } from '../console/progress';
import type { ImageDataset } from '../data/image-dataset';
import type { Latents } from '../data/latents';
import { fileDigest } from '../files/file-digest';
import {
  type DiffusionMetadata,
  loadDiffusionModel,
  loadFirstStage,
  type Precision,
  saveDiffusionModel,
  saveFirstStage,
} from '../files/weights-file';
import { UserError } from '../user-error';
import { buildAutoencoder, buildDenoiser, buildScheduler, schedulerConfig } from './build-models';
import { DiffusionTask, type Teaching } from './diffusion-task';
import { firstStageSnapshots, modelSnapshots } from './draw-snapshot';
import { FirstStageTask } from './first-stage-task';
import { type TrainLoopResult, trainLoop } from './train-loop';

/** What the stages of a project share. */
export type StageContext = {
  readonly config: ProjectConfig;
  readonly folder: RunFolder;
  readonly resume: boolean;
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
  const autoencoder = buildAutoencoder(config.firstStage.model);
  if (config.firstStage.weights) {
    const start = await loadFirstStage(config.firstStage.weights);
    autoencoder.loadStateDict(await start.stateDict());
    start.dispose();
  }
  const key = foldIn(randomKey(config.seed), 'first-stage');
  if (autoencoder.kind === 'vq' && !config.firstStage.weights && !context.resume) {
    await initializeCodebook(autoencoder, dataset, key);
  }
  const task = new FirstStageTask(autoencoder, dataset, config.firstStage, key);
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
export async function openFirstStage(context: Pick<StageContext, 'config' | 'folder'>): Promise<Autoencoder> {
  return loadFirstStage(firstStageWeights(context));
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
  const model = modelConfig(config, name);
  const { diffusion } = config;
  const denoiser = buildDenoiser(config, name);
  const { unet } = denoiser;
  checkLatentShape(name, unet, latents);
  checkLabels(name, denoiser, latents);
  const scheduler = buildScheduler(diffusion);
  const teaching = model.distillation ? await openTeaching(context, model, unet, latents) : undefined;
  // Students of one project see the same examples, times and noise: the key does not depend on the name.
  const key = foldIn(randomKey(config.seed), 'diffusion');
  const task = new DiffusionTask({
    name,
    denoiser,
    scheduler,
    diffusion,
    latents,
    model,
    ...(config.condition ? { conditionDropout: config.condition.dropout } : {}),
    key,
    ...(teaching ? { teaching } : {}),
  });
  const stage = folder.stage(name);
  let autoencoder: Autoencoder | undefined;
  try {
    // what texts are to be drawn is not known here
    if (model.sampleEvery !== undefined && denoiser.kind !== 'text') autoencoder = await openFirstStage(context);
    const { trainTimesteps } = diffusion;
    const { steps, guidance } = config.sampling;
    const { seed } = config;
    const snapshot =
      autoencoder &&
      modelSnapshots({ denoiser, scheduler, trainTimesteps, autoencoder, latents, steps, guidance, seed });
    const result = await trainLoop(task, { ...context, training: model, folder: stage, key, snapshot });
    context.report?.(`${(100 * task.clock.share).toFixed(1)} % of the time was spent waiting for latents`);
    const metadata: DiffusionMetadata = {
      unet: unet.config,
      ...modelCondition(denoiser, latents),
      scheduler: schedulerConfig(diffusion),
      scaleFactor: latents.scaleFactor,
    };
    if (!result.interrupted) await saveDiffusionModel(stage.weights, denoiser, metadata, context.precision);
    return result;
  } finally {
    autoencoder?.dispose();
    task.dispose();
    teaching?.dispose();
  }
}

/** The configuration of a model. @throws {UserError} that suggests the nearest name. */
export function modelConfig(config: ProjectConfig, name: string): ModelConfig {
  const model = Object.hasOwn(config.models, name) ? config.models[name] : undefined;
  if (!model) throw new UserError(`config: models has no ${withSuggestion(name, Object.keys(config.models))}`);
  return model;
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
  const { denoiser, metadata } = await loadDiffusionModel(weights);
  denoiser.dispose();
  return metadata.scaleFactor;
}

async function openTeaching(
  context: StageContext,
  model: ModelConfig,
  student: UNet,
  latents: Latents,
): Promise<(Teaching & { dispose(): void }) | undefined> {
  if (!model.distillation) return undefined;
  const { teacher: name, features, lambdaSpatial, lambdaFrequency, alpha } = model.distillation;
  const weights = modelWeights(context, name);
  if (!existsSync(weights)) {
    throw new UserError(`there is no teacher at ${weights}: train it with \`sd train --model ${name}\``);
  }
  const { unet: teacher, denoiser, metadata } = await loadDiffusionModel(weights);
  const wanted = schedulerConfig(context.config.diffusion).prediction_type;
  if (metadata.scheduler.prediction_type !== wanted) {
    throw new UserError(
      `config: diffusion.predictionType is ${wanted}, but teacher ${name} predicts ${metadata.scheduler.prediction_type}`,
    );
  }
  if (Math.abs(metadata.scaleFactor / latents.scaleFactor - 1) > 1e-6) {
    throw new UserError(
      `teacher ${name} was trained on latents of scale factor ${metadata.scaleFactor}, these have ${latents.scaleFactor}: name its weights in the configuration and run \`sd encode\` again`,
    );
  }
  const { inChannels } = student.config;
  const pairs = [
    { name: OUTPUT_PAIR, teacherChannels: teacher.config.outChannels, studentChannels: student.config.outChannels },
    ...(features === 'all' ? pairFeatures(featureShapes(teacher.config), featureShapes(student.config)) : []),
  ];
  if (teacher.config.inChannels !== inChannels) {
    throw new UserError(`teacher ${name} takes ${teacher.config.inChannels} channels, the student ${inChannels}`);
  }
  return {
    teacher: (x, t, condition) => denoiser.forwardWithFeatures(x, t, condition),
    distillation: new SpectrumAwareDistillation({ pairs, lambdaSpatial, lambdaFrequency, alpha }),
    identity: {
      name,
      sha256: await fileDigest(weights),
      unet: teacher.config,
      lambdaSpatial,
      lambdaFrequency,
      alpha,
      features,
    },
    dispose: () => denoiser.dispose(),
  };
}

function modelCondition({ kind, classes }: Denoiser, { classNames }: Latents): Pick<DiffusionMetadata, 'condition'> {
  return kind === 'class' ? { condition: { kind, classes, ...(classNames ? { classNames } : {}) } } : {};
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
