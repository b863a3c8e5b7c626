/** Tests that compare one reference set: a test file, and a regular expression for the names of its tests. */
export type ReferenceRun = readonly [file: string, tests: string];

/** One row of docs/references.md. */
export type ReferenceSet = {
  /** Its file in goldens/, and its name in that. */
  readonly name: string;
  readonly what: string;
  readonly source: string;
  readonly runs: readonly ReferenceRun[];
  /** Without a backend: plain numbers in float64. */
  readonly float64?: boolean;
  /** Default: all. */
  readonly backends?: readonly string[];
  /** The environment variable that names a folder with what is not in the repository. */
  readonly needs?: string;
};

const LDM = 'CompVis latent-diffusion';
const DIFFUSERS = 'huggingface diffusers';
const TORCH = 'PyTorch';
const PYWAVELETS = 'PyWavelets 1.1.1';
const FID = 'pytorch-fid';
const TRANSFORMERS = 'huggingface transformers';

const unet = 'packages/unet/src';
const autoencoder = 'packages/autoencoder/src';
const nn = 'packages/nn/src';
const loss = 'packages/spectral-loss/src';
const metrics = 'packages/metrics/src';
const wavelet = 'packages/wavelet/src';
const schedulers = 'packages/schedulers/src';
const clip = 'packages/clip/src';

function ldmUnet(name: string, what: string): ReferenceSet {
  return {
    name: `ldm_unet: ${name}`,
    what: `UNetModel, ${what}`,
    source: LDM,
    runs: [
      [`${unet}/diffusers.golden.slow.test.ts`, `${name} gives LDM's output`],
      [`${unet}/unet.golden.test.ts`, `${name} gives the reference's gradients`],
    ],
  };
}

function diffusersUnet(name: string, what: string): ReferenceSet {
  return {
    name: `diffusers_unet: ${name}`,
    what,
    source: DIFFUSERS,
    runs: [[`${unet}/diffusers.golden.slow.test.ts`, ` ${name} gives diffusers' output$`]],
  };
}

function diffusersVariant(name: string, what: string): ReferenceSet {
  return {
    name: `diffusers_variants: ${name}`,
    what,
    source: DIFFUSERS,
    runs: [
      [`${unet}/diffusers.golden.slow.test.ts`, ` ${name} gives diffusers' output$`],
      [`${unet}/diffusers.golden.test.ts`, ` ${name} gives diffusers' output and gradients`],
    ],
  };
}

function diffusersAutoencoder(name: string, what: string, needs?: string): ReferenceSet {
  return {
    name: `diffusers_autoencoders: ${name}`,
    what,
    source: DIFFUSERS,
    runs: [[`${autoencoder}/diffusers.golden.test.ts`, ` ${name} has diffusers' latent and image`]],
    ...(needs ? { needs } : {}),
  };
}

function ownAutoencoder(name: string, what: string, run: ReferenceRun): ReferenceSet {
  return { name: `autoencoders: ${name}`, what, source: TORCH, runs: [run] };
}

function training(name: string, what: string, run: ReferenceRun): ReferenceSet {
  return { name: `training: ${name}`, what, source: name === 'ema' ? LDM : TORCH, runs: [run] };
}

/** Every reference set with a counterpart here, in the order of the table. */
export const referenceSets: readonly ReferenceSet[] = [
  ldmUnet('uncond', 'unconditional'),
  ldmUnet('updown', 'scale-shift, residual up- and downsampling'),
  ldmUnet('cross', 'SpatialTransformer'),
  ldmUnet('classlabel', 'class labels'),
  diffusersUnet('unet2d', 'UNet2DModel'),
  diffusersUnet('unet2d_condition', 'UNet2DConditionModel'),
  diffusersVariant('ddpm', 'UNet2DModel with the embedding and padding of DDPM'),
  diffusersVariant('resnet', 'UNet2DModel, residual up- and downsampling, scale-shift, class labels'),
  diffusersVariant('plain', 'UNet2DModel without attention, labels as timesteps'),
  diffusersVariant('groups', 'UNet2DModel, labels as vectors, groups of its own in attention'),
  diffusersVariant(
    'linear',
    'UNet2DConditionModel, linear and cross-attention only, projected labels, a condition of the time',
  ),
  diffusersVariant('xl', 'UNet2DConditionModel, text and sizes, as SDXL'),
  diffusersVariant('headless', 'UNet2DConditionModel without a middle block, class labels'),
  {
    name: 'ldm_autoencoder: vq_f4',
    what: 'VQModel: latent, codes, loss, image',
    source: `${LDM}, taming-transformers`,
    runs: [[`${autoencoder}/ldm.golden.test.ts`, 'the VQ model gives']],
  },
  {
    name: 'ldm_autoencoder: kl_f8',
    what: 'AutoencoderKL: posterior, divergence, image',
    source: LDM,
    runs: [[`${autoencoder}/ldm.golden.test.ts`, 'the KL model gives']],
  },
  diffusersAutoencoder('autoencoder_kl', 'AutoencoderKL', 'SD_REFERENCE'),
  diffusersAutoencoder('vq_model', 'VQModel', 'SD_REFERENCE'),
  diffusersAutoencoder('autoencoder_tiny', 'AutoencoderTiny'),
  ...(['autoencoder_kl', 'vq_model'] as const).map(
    (name): ReferenceSet => ({
      name: `diffusers_autoencoders_formula: ${name}`,
      what: `${name === 'vq_model' ? 'VQModel' : 'AutoencoderKL'}, weights by formula: latents, losses, images`,
      source: DIFFUSERS,
      runs: [[`${autoencoder}/diffusers.golden.test.ts`, `${name} has diffusers' latents, losses, images`]],
    }),
  ),
  ...['diffusers_kl', 'diffusers_flux'].map((name) =>
    ownAutoencoder(name, 'AutoencoderKL of three levels with attention', [
      `${autoencoder}/diffusers.golden.test.ts`,
      `${name}: three levels`,
    ]),
  ),
  ...['taesd', 'taesd3', 'taef2'].map((name) =>
    ownAutoencoder(name, 'AutoencoderTiny', [
      `${autoencoder}/tiny/autoencoder-tiny.slow.test.ts`,
      ` ${name} has the latents, images and gradients`,
    ]),
  ),
  ...['disc2', 'disc3'].map((name) =>
    ownAutoencoder(name, `PatchGAN of ${name.at(-1)} layers`, [
      `${autoencoder}/losses/first-stage-training.golden.test.ts`,
      `${name}: logits`,
    ]),
  ),
  ...['kl', 'vq'].map((name) =>
    ownAutoencoder(name, 'two steps of training of a first stage', [
      `${autoencoder}/losses/first-stage-training.golden.test.ts`,
      `two steps of training of ${name} are`,
    ]),
  ),
  {
    name: 'clip_text',
    what: 'CLIPTextModel: hidden state, pooled output',
    source: TRANSFORMERS,
    runs: [[`${clip}/clip-text-model.golden.test.ts`, 'the reference has transformers']],
  },
  ...[
    ['gelu', 'CLIPTextModel with exact GELU'],
    ['legacy', 'CLIPTextModel pooled at the largest token'],
    ['projection', 'CLIPTextModelWithProjection'],
  ].map(
    ([name, what]): ReferenceSet => ({
      name: `clip_text_variants: ${name}`,
      what: what!,
      source: TRANSFORMERS,
      runs: [[`${clip}/clip-text-model.golden.test.ts`, `${name} has transformers`]],
    }),
  ),
  {
    name: 'losses: ffl',
    what: 'focal frequency loss',
    source: 'focal-frequency-loss',
    runs: [[`${loss}/focal-frequency-loss.test.ts`, 'matches the authors’ package']],
  },
  {
    name: 'losses: sa',
    what: 'frequency loss of SA-Distillation: weights, losses',
    source: TORCH,
    runs: [
      [`${loss}/spectral-weight.test.ts`, 'match(es)? torch'],
      [`${loss}/spectral-loss.test.ts`, 'matches torch'],
      ['packages/distill/src/spectrum-aware-distillation.test.ts', 'match torch|have the gradient of torch'],
    ],
  },
  {
    name: 'losses: fft',
    what: 'fft2 and its inverse',
    source: TORCH,
    runs: [[`${loss}/dft2d.test.ts`, 'matches torch']],
  },
  {
    name: 'losses: resize',
    what: 'bilinear, antialias, area, nearest',
    source: TORCH,
    runs: [[`${loss}/resize2d.test.ts`, 'matches torch']],
  },
  training('adamw', 'ten steps of AdamW, gradients clipped', [`${nn}/optim/adamw.test.ts`, 'ten clipped and decayed']),
  training('ema', 'LitEma over five updates', [`${nn}/optim/ema.test.ts`, "the average is LitEma's"]),
  training('groupnorm', 'GroupNorm', [`${nn}/group-norm.test.ts`, 'GroupNorm matches torch']),
  training('silu', 'SiLU', [`${nn}/silu.test.ts`, 'silu matches torch']),
  training('attention', 'attention', [`${nn}/attention.test.ts`, "attention matches torch's"]),
  {
    ...training('timestep_embedding', 'time embeddings', [
      `${unet}/timestep-embedding.test.ts`,
      'numbers give the reference',
    ]),
    source: LDM,
  },
  {
    name: 'batch_norm',
    what: 'BatchNorm2d: two training steps, an evaluation',
    source: TORCH,
    runs: [[`${nn}/batch-norm-2d.test.ts`, 'two training steps and an evaluation']],
  },
  {
    name: 'wavelets: cases',
    what: 'dwt2 and its inverse, 11 wavelets, 4 modes',
    source: PYWAVELETS,
    runs: [[`${wavelet}/dwt2d.slow.test.ts`, 'match PyWavelets']],
  },
  {
    name: 'wavelets: multilevel',
    what: 'wavedec2 and waverec2',
    source: PYWAVELETS,
    runs: [[`${wavelet}/wavedec2d.test.ts`, 'match PyWavelets']],
  },
  {
    name: 'wavelets-more',
    what: 'dwt of every wavelet, dwt2 of 28, wavedec2',
    source: PYWAVELETS,
    runs: [[`${wavelet}/transforms.test.ts`, '(dwt1d|dwt2d|wavedec2d) matches PyWavelets']],
  },
  {
    name: 'fid: inception',
    what: 'features of Inception v3 at four depths',
    source: FID,
    runs: [
      [`${metrics}/networks/inception-v3.test.ts`, 'has the features of pytorch-fid at its four depths'],
      [`${metrics}/networks/inception-v3.slow.test.ts`, 'has the features of pytorch-fid'],
    ],
  },
  ...['1.0', '1.1'].map(
    (version): ReferenceSet => ({
      name: `metrics: squeezenet${version.replace('.', '_')}`,
      what: `SqueezeNet ${version}: maps, logits`,
      source: TORCH,
      runs: [[`${metrics}/networks/squeeze-net.test.ts`, `SqueezeNet ${version} has the maps and logits`]],
    }),
  ),
  {
    name: 'metrics: vgg16',
    what: 'VGG16: maps',
    source: TORCH,
    runs: [[`${metrics}/networks/vgg16.slow.test.ts`, 'VGG16 has the maps']],
  },
  ...['SqueezeNet 1.1', 'VGG16'].map(
    (network): ReferenceSet => ({
      name: `metrics: lpips/${network === 'VGG16' ? 'vgg16' : 'squeezenet1_1'}`,
      what: `LPIPS on ${network}`,
      source: TORCH,
      runs: [[`${metrics}/perceptual-distance.slow.test.ts`, `with ${network} distances and gradients`]],
    }),
  ),
  {
    name: 'metrics: pool',
    what: 'max and average poolings',
    source: TORCH,
    runs: [[`${metrics}/networks/pooling.test.ts`, 'is that of torch, with its gradient']],
  },
  {
    name: 'schedulers: add_noise, velocity',
    what: 'forward process',
    source: DIFFUSERS,
    runs: [[`${schedulers}/forward-process.test.ts`, 'addNoise and velocity agree with diffusers']],
  },
  {
    name: 'schedulers: runs',
    what: '137 of 139 sampling runs, the rest in [samplers.md](samplers.md)',
    source: `${DIFFUSERS}, its float32 tables`,
    runs: [[`${schedulers}/golden.test.ts`, 'samples agree with diffusers, on the way']],
    backends: ['cpu'],
  },
  {
    name: 'samplers',
    what: '339 sampling runs, see [samplers.md](samplers.md)',
    source: `${DIFFUSERS} in float64`,
    runs: [[`${schedulers}/diffusers.test.ts`, 'tensors agree with diffusers']],
    backends: ['cpu'],
  },
  {
    name: 'squeezenet1_0 (not in the repository)',
    what: 'SqueezeNet 1.0 with its published weights, two photographs',
    source: 'NumPy',
    runs: [[`${metrics}/networks/squeeze-net.slow.test.ts`, 'features and logits of kodim']],
    needs: 'SD_SQUEEZENET',
  },
  {
    name: 'taef2 (not in the repository)',
    what: 'TAEF2 with its published weights: latents, reconstructions',
    source: 'taesd',
    runs: [[`${autoencoder}/tiny/published-taef2.slow.test.ts`, 'latents and reconstructions of']],
    needs: 'SD_TAEF2',
  },
  {
    name: 'taef2, PSNR (not in the repository)',
    what: 'PSNR of two photographs of 496x496, of which 0.02 dB are allowed (6e-4)',
    source: 'taesd',
    runs: [[`${autoencoder}/tiny/published-taef2.slow.test.ts`, 'PSNR of']],
    needs: 'SD_KODAK',
  },
  {
    name: 'fid: fid, fid_cd',
    what: 'Fréchet distance',
    source: FID,
    runs: [[`${metrics}/frechet-distance.test.ts`, 'is that of pytorch-fid']],
    float64: true,
  },
  {
    name: 'fid: kid; metrics: kernel',
    what: 'kernel distance',
    source: `${FID}, NumPy`,
    runs: [[`${metrics}/kernel-distance.test.ts`, 'is that of the reference']],
    float64: true,
  },
  {
    name: 'metrics: frechet',
    what: 'means, covariances; Fréchet distance of full and deficient rank',
    source: 'SciPy, NumPy',
    runs: [
      [`${metrics}/feature-statistics.test.ts`, 'those of numpy'],
      [`${metrics}/frechet-distance.test.ts`, 'is that of scipy|of fewer samples than dimensions'],
    ],
    float64: true,
  },
  {
    name: 'metrics: image',
    what: 'SSIM, PSNR',
    source: 'SciPy, NumPy',
    runs: [[`${metrics}/image-distances.test.ts`, 'ssim is that of|psnr is that of']],
    float64: true,
  },
  {
    name: 'samplers: plans',
    what: 'plans carried out in float64, see [samplers.md](samplers.md)',
    source: `${DIFFUSERS} in float64`,
    runs: [[`${schedulers}/diffusers.test.ts`, 'in float64, plans agree']],
    float64: true,
  },
];
