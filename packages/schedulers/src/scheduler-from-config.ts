import { ArgumentError } from '@sd/core';
import { snakeCase } from './config-fields';
import { DDIM } from './ddim';
import { DDIMInverse } from './ddim-inverse';
import { DDPM } from './ddpm';
import { DEIS } from './deis';
import { DPMSolverMultistep } from './dpm-solver-multistep';
import { DPMSolverSDE } from './dpm-solver-sde';
import { DPMSolverSinglestep } from './dpm-solver-singlestep';
import { EDMDPMSolverMultistep } from './edm-dpm-solver-multistep';
import { EDMEuler } from './edm-euler';
import { Euler } from './euler';
import { EulerAncestral } from './euler-ancestral';
import { FlowMatchEuler } from './flow-match-euler';
import { FlowMatchHeun } from './flow-match-heun';
import { Heun } from './heun';
import { KDPM2 } from './kdpm2';
import { KDPM2Ancestral } from './kdpm2-ancestral';
import { LCM } from './lcm';
import { LMS } from './lms';
import { PNDM } from './pndm';
import { RePaint } from './repaint';
import { SASolver } from './sa-solver';
import type { Scheduler, SchedulerClass } from './scheduler';
import { TCD } from './tcd';
import { UniPC } from './unipc';

/** Every sampler, under diffusers' class name. */
const all: readonly SchedulerClass[] = [
  DDIM,
  DDIMInverse,
  DDPM,
  DEIS,
  DPMSolverMultistep,
  DPMSolverSDE,
  DPMSolverSinglestep,
  EDMDPMSolverMultistep,
  EDMEuler,
  Euler,
  EulerAncestral,
  FlowMatchEuler,
  FlowMatchHeun,
  Heun,
  KDPM2,
  KDPM2Ancestral,
  LCM,
  LMS,
  PNDM,
  RePaint,
  SASolver,
  TCD,
  UniPC,
];

export const schedulerClasses: ReadonlyMap<string, SchedulerClass> = new Map(
  all.map((entry) => [entry.className, entry]),
);

// Fields that real files carry because their scheduler was swapped for another, or was saved by an old diffusers, which
// reads them and does nothing with them either.
const FIELDS_OF_OTHERS: ReadonlySet<string> = new Set([
  'algorithm_type',
  'base_shift',
  'clip_sample',
  'clip_sample_range',
  'corrector_order',
  'disable_corrector',
  'dynamic_thresholding',
  'dynamic_thresholding_ratio',
  'euler_at_final',
  'final_sigmas_type',
  'flow_shift',
  'interpolation_type',
  'invert_sigmas',
  'lambda_min_clipped',
  'lower_order_final',
  'max_shift',
  'noise_sampler_seed',
  'original_inference_steps',
  'predict_x0',
  'predictor_order',
  'rescale_betas_zero_snr',
  'sample_max_value',
  'set_alpha_to_one',
  'set_alpha_to_zero',
  'shift',
  'shift_terminal',
  'sigma_max',
  'sigma_min',
  'skip_prk_steps',
  'solver_order',
  'solver_p',
  'solver_type',
  'steps_offset',
  'tau_func',
  'tensor_format',
  'thresholding',
  'time_shift_type',
  'timestep_scaling',
  'timestep_spacing',
  'timestep_type',
  'timestep_values',
  'timesteps',
  'use_beta_sigmas',
  'use_dynamic_shifting',
  'use_exponential_sigmas',
  'use_flow_sigmas',
  'use_karras_sigmas',
  'use_lu_lambdas',
  'variance_type',
]);

/**
 * Makes the scheduler that a diffusers scheduler_config.json describes.
 * @param config the parsed file, `_class_name` included; what it leaves out has diffusers' defaults for that class.
 * @throws {ArgumentError} on a class that is not here (the message lists those that are), a field that is no
 * scheduler's, and values that a field does not accept.
 */
export function schedulerFromConfig(config: Readonly<Record<string, unknown>>): Scheduler {
  const operation = 'schedulerFromConfig';
  if (config === null || typeof config !== 'object') {
    throw new ArgumentError(operation, 'config', 'the object of a scheduler_config.json', config);
  }
  const className = config._class_name;
  const schedulerClass = typeof className === 'string' ? schedulerClasses.get(className) : undefined;
  if (schedulerClass === undefined) {
    throw new ArgumentError(operation, '_class_name', `one of ${[...schedulerClasses.keys()].join(', ')}`, className);
  }
  const { predict_epsilon: predictEpsilon, ...fields } = config; // diffusers before 0.10
  const given = predictEpsilon === false ? { prediction_type: 'sample', ...fields } : fields;
  const known = schedulerClass.fieldNames.map(snakeCase);
  const unknown = Object.keys(given).filter(
    (name) => !name.startsWith('_') && !known.includes(name) && !FIELDS_OF_OTHERS.has(name),
  );
  if (unknown.length > 0) {
    throw new ArgumentError(operation, 'config', `made of the fields ${known.join(', ')}`, unknown);
  }
  return schedulerClass.create(operation, given, snakeCase);
}
