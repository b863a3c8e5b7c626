import { ArgumentError } from '@sd/core';
import { snakeCase } from './config-fields';
import { DDIM } from './ddim';
import { DDPM } from './ddpm';
import type { Scheduler, SchedulerClass } from './scheduler';

/** Every sampler, under diffusers' class name. */
const classes: ReadonlyMap<string, SchedulerClass> = new Map([DDIM, DDPM].map((entry) => [entry.className, entry]));

// Fields that real files carry because their scheduler was swapped for another, or was saved by an old diffusers, which
// reads them and does nothing with them either.
const FIELDS_OF_OTHERS: ReadonlySet<string> = new Set([
  'algorithm_type',
  'dynamic_thresholding',
  'euler_at_final',
  'final_sigmas_type',
  'flow_shift',
  'interpolation_type',
  'lambda_min_clipped',
  'lower_order_final',
  'original_inference_steps',
  'set_alpha_to_one',
  'sigma_max',
  'sigma_min',
  'skip_prk_steps',
  'solver_order',
  'solver_type',
  'tensor_format',
  'timestep_scaling',
  'timestep_type',
  'timestep_values',
  'timesteps',
  'use_beta_sigmas',
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
  const schedulerClass = typeof className === 'string' ? classes.get(className) : undefined;
  if (schedulerClass === undefined) {
    throw new ArgumentError(operation, '_class_name', `one of ${[...classes.keys()].join(', ')}`, className);
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
