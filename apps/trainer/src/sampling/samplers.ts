import { type Scheduler, schedulerFromConfig } from '@sd/schedulers';
import { withSuggestion } from '../config/nearest';
import { UserError } from '../user-error';

/** What a model has learned to undo: samplers go with models of their own family. */
type Family = 'ddpm' | 'edm' | 'flow';

type SamplerEntry = {
  /** diffusers' name. */
  readonly className: string;
  readonly family: Family;
  /** Does it take --eta? */
  readonly eta?: true;
  /** Fields that are not the class's defaults. */
  readonly fields?: Readonly<Record<string, unknown>>;
};

function entry(className: string, family: Family = 'ddpm', more: Omit<SamplerEntry, 'className' | 'family'> = {}) {
  return { className, family, ...more } satisfies SamplerEntry;
}

/** Every sampler of @sd/schedulers under a short name. */
export const SAMPLERS: Readonly<Record<string, SamplerEntry>> = {
  ddim: entry('DDIMScheduler', 'ddpm', { eta: true }),
  'ddim-inverse': entry('DDIMInverseScheduler'),
  ddpm: entry('DDPMScheduler'),
  deis: entry('DEISMultistepScheduler'),
  'dpm++2m': entry('DPMSolverMultistepScheduler'),
  'dpm++2s': entry('DPMSolverSinglestepScheduler'),
  'dpm-sde': entry('DPMSolverSDEScheduler'),
  'edm-dpm++2m': entry('EDMDPMSolverMultistepScheduler', 'edm'),
  'edm-euler': entry('EDMEulerScheduler', 'edm'),
  euler: entry('EulerDiscreteScheduler'),
  'euler-a': entry('EulerAncestralDiscreteScheduler'),
  'flow-euler': entry('FlowMatchEulerDiscreteScheduler', 'flow'),
  'flow-heun': entry('FlowMatchHeunDiscreteScheduler', 'flow'),
  heun: entry('HeunDiscreteScheduler'),
  kdpm2: entry('KDPM2DiscreteScheduler'),
  'kdpm2-a': entry('KDPM2AncestralDiscreteScheduler'),
  lcm: entry('LCMScheduler'),
  lms: entry('LMSDiscreteScheduler'),
  plms: entry('PNDMScheduler', 'ddpm', { fields: { skip_prk_steps: true } }),
  pndm: entry('PNDMScheduler'),
  repaint: entry('RePaintScheduler', 'ddpm', { eta: true }),
  'sa-solver': entry('SASolverScheduler'),
  tcd: entry('TCDScheduler', 'ddpm', { eta: true }),
  unipc: entry('UniPCMultistepScheduler'),
};

export const SAMPLER_NAMES: readonly string[] = Object.keys(SAMPLERS);

/** Spacings of the levels of noise, in place of those at equally spaced timesteps. */
export const SIGMA_FIELDS = {
  karras: 'use_karras_sigmas',
  exponential: 'use_exponential_sigmas',
  beta: 'use_beta_sigmas',
} as const;

export type SigmaSpacing = keyof typeof SIGMA_FIELDS;

export type SamplerOptions = {
  /** A name of `SAMPLERS`; the model's own scheduler by default. */
  readonly sampler?: string | undefined;
  readonly sigmas?: SigmaSpacing | undefined;
  readonly eta?: number | undefined;
  /** Is a part of an image kept? */
  readonly inpaints?: boolean;
};

// The forward process and what bounds x_0 belong to the model; all else is the sampler's.
const MODEL_FIELDS = [
  'num_train_timesteps',
  'beta_start',
  'beta_end',
  'beta_schedule',
  'trained_betas',
  'rescale_betas_zero_snr',
  'prediction_type',
  'clip_sample',
  'clip_sample_range',
];

/**
 * The scheduler that draws with a sampler from a model.
 * @param own the scheduler's configuration that the model was saved with.
 * @throws {UserError} on names that are not known, and on what does not go with the sampler or the model.
 */
export function samplerScheduler(own: Readonly<Record<string, unknown>>, options: SamplerOptions): Scheduler {
  const name = options.sampler ?? nameOf(own._class_name);
  const known = Object.hasOwn(SAMPLERS, name) ? SAMPLERS[name] : undefined;
  if (known === undefined) throw new UserError(`--sampler: no sampler ${withSuggestion(name, SAMPLER_NAMES)}`);
  refuseUnfit(name, known, own, options);
  const config: Record<string, unknown> =
    options.sampler === undefined || own._class_name === known.className
      ? { ...own, ...known.fields }
      : { ...pick(own, MODEL_FIELDS), ...known.fields, _class_name: known.className };
  // RePaint's models predict noise, which is checked above, and its configuration has no field for it.
  if (name === 'repaint') delete config.prediction_type;
  const plain = schedulerFromConfig(config);
  if (own.rescale_betas_zero_snr === true && !('rescale_betas_zero_snr' in plain.config)) {
    throw new UserError(
      `--sampler ${name} cannot start from pure noise (rescale_betas_zero_snr), as the model was trained to`,
    );
  }
  if (options.sigmas === undefined) return plain;
  const field = SIGMA_FIELDS[options.sigmas];
  if (!(field in plain.config)) {
    const able = SAMPLER_NAMES.filter((other) => SAMPLERS[other].family === known.family && canSpace(other, field));
    throw new UserError(
      `--sigmas ${options.sigmas}: ${name} has its own levels of noise; give one of ${able.join(', ')}`,
    );
  }
  return schedulerFromConfig({ ...config, [field]: true });
}

/** Does the sampler take --eta? */
export function takesEta(scheduler: Scheduler): boolean {
  return SAMPLERS[nameOf(scheduler.className)]?.eta === true;
}

function refuseUnfit(
  name: string,
  { family, eta }: SamplerEntry,
  own: Readonly<Record<string, unknown>>,
  options: SamplerOptions,
): void {
  const trained = SAMPLERS[nameOf(own._class_name)]?.family ?? 'ddpm';
  const predictionType = own.prediction_type ?? 'epsilon';
  if (family !== trained) {
    const kinds = { ddpm: `a DDPM (${predictionType})`, edm: 'a preconditioned model (EDM)', flow: 'flow matching' };
    throw new UserError(`--sampler ${name} is for ${kinds[family]}, and the model was trained as ${kinds[trained]}`);
  }
  if (name === 'ddim-inverse') {
    throw new UserError('--sampler ddim-inverse goes from an image to its noise, and draws nothing; give ddim');
  }
  const predictable: Readonly<Record<string, readonly string[]>> = {
    repaint: ['epsilon'],
    pndm: ['epsilon', 'v_prediction'],
    plms: ['epsilon', 'v_prediction'],
  };
  if (predictable[name]?.includes(String(predictionType)) === false) {
    throw new UserError(`--sampler ${name} is for models of ${predictable[name].join(' or ')}, not ${predictionType}`);
  }
  if (name === 'repaint' && !options.inpaints) throw new UserError('--sampler repaint needs --init and --mask');
  if (options.eta !== undefined && !eta) {
    const able = SAMPLER_NAMES.filter((other) => SAMPLERS[other].eta);
    throw new UserError(`--eta: ${name} has none; give one of ${able.join(', ')}`);
  }
}

/** The short name of a class. */
function nameOf(className: unknown): string {
  return SAMPLER_NAMES.find((name) => SAMPLERS[name].className === className) ?? String(className);
}

function canSpace(name: string, sigmaField: string): boolean {
  return sigmaField in schedulerFromConfig({ _class_name: SAMPLERS[name].className }).config;
}

function pick(from: Readonly<Record<string, unknown>>, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => from[name] !== undefined).map((name) => [name, from[name]]));
}
