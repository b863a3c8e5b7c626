import { z } from 'zod';

const positiveInteger = z.int().positive();
const rate = z.number().positive();

/** What is inside is checked by `modelMistakes`. */
const nameOrConfig = z.union([z.string(), z.record(z.string(), z.unknown())], {
  error: ({ input }) => `${input === undefined ? 'missing, ' : ''}expected a preset's name or a configuration`,
});

/** Every place that images come from. */
const SOURCES = ['dead-leaves', 'folder', 'class-folder', 'tar', 'lmdb', 'webdataset', 'coco', 'parquet'] as const;

/** What every source of pictures takes. */
const pictures = {
  path: z.string().min(1),
  /** Pixels: height and width of what is cut from each picture. */
  size: positiveInteger.min(8).default(64),
  /** What the shorter side is scaled to first; `size` where it is left out, nothing with false. */
  resize: z.union([positiveInteger, z.literal(false)], { error: 'expected pixels, or false' }).optional(),
  /** Where the square is cut; at random only for the first stage's training. */
  crop: z.enum(['center', 'random']).default('center'),
  /** Also use every picture mirrored. */
  flip: z.boolean().default(true),
};

/** Where the images come from. */
const data = z.discriminatedUnion(
  'source',
  [
    z.strictObject({
      source: z.literal('dead-leaves'),
      /** Pixels. */
      size: positiveInteger.min(8).default(32),
      /** How many different images. */
      count: positiveInteger.default(4096),
    }),
    /** A folder of pictures; subfolders are searched. */
    z.strictObject({ source: z.literal('folder'), ...pictures }),
    /** A folder with a folder of pictures for each class. */
    z.strictObject({ source: z.literal('class-folder'), ...pictures }),
    /** A tar, or a folder of tars, that may hold a tar or a folder for each class: ImageNet. */
    z.strictObject({ source: z.literal('tar'), ...pictures }),
    /** A database of encoded pictures: LSUN. */
    z.strictObject({ source: z.literal('lmdb'), ...pictures }),
    /** Shards of samples with captions, as img2dataset writes them. */
    z.strictObject({ source: z.literal('webdataset'), ...pictures }),
    z.strictObject({
      source: z.literal('coco'),
      ...pictures,
      /** captions_train2017.json or the like. */
      captions: z.string().min(1),
    }),
    z.strictObject({
      source: z.literal('parquet'),
      ...pictures,
      imageColumn: z.string().min(1).optional(),
      labelColumn: z.string().min(1).optional(),
      captionColumn: z.string().min(1).optional(),
    }),
  ],
  { error: `expected one of ${SOURCES.map((name) => `"${name}"`).join(', ')}` },
);

/** What every training loop takes. */
const training = {
  steps: positiveInteger,
  batchSize: positiveInteger,
  /** Examples that are on the device at once: a batch is the sum of the gradients of so many of them. */
  microBatchSize: positiveInteger.optional(),
  learningRate: rate.default(1e-3),
  weightDecay: z.number().min(0).default(1e-2),
  betas: z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]).default([0.9, 0.999]),
  warmupSteps: z.int().min(0).default(0),
  /** Global norm that gradients are clipped to. */
  maxGradientNorm: rate.default(1),
  emaDecay: z.number().min(0).max(1).default(0.9999),
  /** A checkpoint is written every so many steps, at the end, and on Ctrl-C. */
  checkpointEvery: positiveInteger.default(500),
  /** Samples are drawn, with spectra and gates, every so many steps; without it never. */
  sampleEvery: positiveInteger.optional(),
  /** Checkpoints that are kept, the last one included. */
  keepCheckpoints: positiveInteger.default(1),
  /** Also keep the checkpoint after the lowest mean loss. */
  keepBest: z.boolean().default(false),
  /** What a step is answered with whose loss is not finite, or a spike. */
  onBadLoss: z.enum(['stop', 'skip', 'halve']).default('stop'),
  /** A loss so many times the running mean is a spike; without it there are none. */
  spikeFactor: z.number().gt(1).optional(),
};

/** PatchGAN beside a first stage; the names in brackets are LDM's. */
const adversarial = z.strictObject({
  /** Step from which it takes part (`disc_start`). */
  start: z.int().min(0).default(0),
  /** Of the generator's loss, times the adaptive weight (`disc_weight`). */
  weight: z.number().min(0).default(0.5),
  /** Of both losses (`disc_factor`). */
  factor: z.number().min(0).default(1),
  loss: z.enum(['hinge', 'vanilla']).default('hinge'),
  /** Width of its first layer. */
  width: positiveInteger.default(64),
  /** Layers that halve the image (`disc_num_layers`). */
  layers: positiveInteger.default(3),
});

/** LPIPS; its weights are not shipped. */
const perceptual = z.strictObject({
  /** SqueezeNet 1.1 or VGG16, as the `lpips` package has them. */
  network: z.enum(['squeezenet', 'vgg16']),
  /** The network's weights as torchvision publishes them, .pth or safetensors. */
  weights: z.string().min(1),
  /** Learned weights of its channels, the `lpips` package's squeeze.pth or vgg.pth; without it all channels weigh the same. */
  heads: z.string().min(1).optional(),
  /** In the loss. */
  weight: rate.default(1),
});

const firstStage = z.strictObject({
  /** Name of a preset of @sd/autoencoder, or a configuration. */
  model: nameOrConfig,
  /** Weights to use, or to start from when it is trained further: a file of `sd train-autoencoder`. */
  weights: z.string().optional(),
  ...training,
  /** What latents are multiplied by for the diffusion; left out, 1 / the deviation of the first batch, as in LDM. */
  scaleFactor: rate.optional(),
  klWeight: z.number().min(0).default(1e-6),
  /** Weight of the focal frequency loss, which keeps edges sharp without a perceptual network. */
  focalFrequencyWeight: z.number().min(0).default(0),
  /** A perceptual distance, for textures. */
  perceptual: perceptual.optional(),
  /** A discriminator that is trained in the same steps, for sharp images. */
  adversarial: adversarial.optional(),
});

/** How often the condition of an example is left out, so that the model can be guided. */
const dropout = z.number().min(0).max(1).default(0.1);

/** What the images are made from. */
const condition = z.discriminatedUnion(
  'kind',
  [
    z.strictObject({
      kind: z.literal('class'),
      /** Without the null class, which is one more. */
      classes: positiveInteger,
      dropout,
    }),
    z.strictObject({
      kind: z.literal('text'),
      /** A folder of CLIP's text model and tokenizer as Hugging Face has them, or of a diffusers pipeline. */
      encoder: z.string().min(1),
      dropout,
    }),
  ],
  { error: 'expected "class" or "text"' },
);

const diffusion = z.strictObject({
  trainTimesteps: positiveInteger.default(1000),
  betaSchedule: z.enum(['linear', 'scaled_linear', 'squaredcos_cap_v2', 'sigmoid']).default('scaled_linear'),
  betaStart: rate.default(0.0015),
  betaEnd: rate.default(0.0195),
  predictionType: z.enum(['epsilon', 'v_prediction', 'sample']).default('epsilon'),
  /** Min-SNR loss weighting (Hang et al. 2023); without it the loss is unweighted. */
  minSnrGamma: rate.optional(),
});

/** Where the teacher's outputs for the `examples` of a model are kept, so that it is asked for each once. */
const cache = z.strictObject({
  /** `teacher-outputs` under the project's `out` where it is left out. */
  folder: z.string().min(1).optional(),
  /** All of them before the first step, or each when it is first drawn. */
  fill: z.enum(['before', 'during']).default('before'),
});

const distillation = z.strictObject({
  /** The model to learn from: a name under `models`. */
  teacher: z.string().default('teacher'),
  /** A module of the user's that is the teacher, in place of a model of the project: any tfjs model as a function. */
  module: z.string().min(1).optional(),
  lambdaSpatial: z.number().min(0).default(0.1),
  lambdaFrequency: z.number().min(0).default(0.1),
  /** Exponent of the clean image's spectrum in the frequency weights. */
  alpha: z.number().default(-1),
  /** What the paper leaves open of the DFT and its weights; see `spectralWeight` of @sd/spectral-loss. */
  spectrum: z
    .strictObject({
      norm: z.enum(['ortho', 'backward', 'forward']).default('ortho'),
      /** Weights of mean 1 over the frequencies of each sample? */
      normalize: z.boolean().default(true),
    })
    .optional(),
  /**
   * `all`: the output and the features of decoder levels that both models have; `output`: it alone; or a list of
   * features by name (`up.1`) or level (1), beside the output.
   */
  features: z
    .union([z.enum(['all', 'output']), z.array(z.union([z.string(), z.int().min(0)])).min(1)], {
      error: 'expected "all", "output" or a list of features',
    })
    .default('all'),
  cache: cache.optional(),
});

const model = z.strictObject({
  /** Name of a preset of @sd/unet, or a configuration. */
  unet: nameOrConfig,
  /** Finished weights; such a model is not trained. */
  weights: z.string().optional(),
  /** The text encoder of this model, where it has another one than the project. */
  encoder: z.string().min(1).optional(),
  ...training,
  /**
   * Size of the finite set of noisy examples (latent, time, noise) that all steps draw from; without it every step has
   * new ones.
   */
  examples: positiveInteger.optional(),
  distillation: distillation.optional(),
});

const sampling = z.strictObject({
  steps: positiveInteger.default(50),
  eta: z.number().min(0).max(1).default(0),
  count: positiveInteger.default(16),
  /** w of classifier-free guidance; 1 is the conditional prediction alone. */
  guidance: z.number().min(0).default(1),
});

/** The name of a model is also that of its folder. */
const modelName = z
  .string()
  .regex(/^[a-z][a-z0-9-]*$/, 'the name of a model is lower-case letters, digits and "-", a letter first')
  .refine((name) => name !== 'first-stage', "the first stage's folder has that name");

export const projectSchema = z.strictObject({
  /** Where everything that a run makes is written. */
  out: z.string().min(1),
  seed: z.int().min(0).default(0),
  backend: z.enum(['auto', 'webgpu', 'cuda', 'wasm', 'cpu']).default('auto'),
  data,
  firstStage,
  condition: condition.optional(),
  diffusion: diffusion.prefault({}),
  models: z.record(modelName, model),
  sampling: sampling.prefault({}),
});

/** A whole project: data, first stage, diffusion process, models and sampling. One YAML file. */
export type ProjectConfig = z.infer<typeof projectSchema>;
export type DataConfig = ProjectConfig['data'];
export type FirstStageConfig = ProjectConfig['firstStage'];
export type PerceptualConfig = NonNullable<FirstStageConfig['perceptual']>;
export type ConditionConfig = NonNullable<ProjectConfig['condition']>;
export type DiffusionConfig = ProjectConfig['diffusion'];
export type ModelConfig = ProjectConfig['models'][string];
export type DistillationConfig = NonNullable<ModelConfig['distillation']>;
export type TrainingConfig = Pick<ModelConfig, keyof typeof training>;
