import { expect, test } from 'vitest';
import { ddimScheduler } from './ddim';
import { ddpmScheduler } from './ddpm';
import { schedulerFromConfig } from './scheduler-from-config';

const CLASSES =
  'DDIMScheduler, DDIMInverseScheduler, DDPMScheduler, DEISMultistepScheduler, DPMSolverMultistepScheduler, ' +
  'DPMSolverSDEScheduler, DPMSolverSinglestepScheduler, EDMDPMSolverMultistepScheduler, EDMEulerScheduler, ' +
  'EulerDiscreteScheduler, EulerAncestralDiscreteScheduler, FlowMatchEulerDiscreteScheduler, ' +
  'FlowMatchHeunDiscreteScheduler, HeunDiscreteScheduler, KDPM2DiscreteScheduler, KDPM2AncestralDiscreteScheduler, ' +
  'LCMScheduler, LMSDiscreteScheduler, PNDMScheduler, RePaintScheduler, SASolverScheduler, TCDScheduler, UniPCMultistepScheduler';

test("an empty configuration has diffusers' defaults for its class", () => {
  const common = {
    num_train_timesteps: 1000,
    beta_start: 0.0001,
    beta_end: 0.02,
    beta_schedule: 'linear',
    trained_betas: null,
    rescale_betas_zero_snr: false,
    prediction_type: 'epsilon',
    timestep_spacing: 'leading',
    steps_offset: 0,
    clip_sample: true,
    clip_sample_range: 1,
    thresholding: false,
    dynamic_thresholding_ratio: 0.995,
    sample_max_value: 1,
  };
  expect(schedulerFromConfig({ _class_name: 'DDIMScheduler' }).config).toEqual({
    _class_name: 'DDIMScheduler',
    ...common,
    set_alpha_to_one: true,
  });
  expect(schedulerFromConfig({ _class_name: 'DDPMScheduler' }).config).toEqual({
    _class_name: 'DDPMScheduler',
    ...common,
    variance_type: 'fixed_small',
  });
});

test('a real file is read, with what its diffusers version and its pipeline left in it', () => {
  const scheduler = schedulerFromConfig({
    _class_name: 'DDIMScheduler',
    _diffusers_version: '0.6.0',
    beta_end: 0.012,
    beta_schedule: 'scaled_linear',
    beta_start: 0.00085,
    num_train_timesteps: 1000,
    set_alpha_to_one: false,
    skip_prk_steps: true,
    steps_offset: 1,
    trained_betas: null,
    clip_sample: false,
  });
  expect(scheduler.className).toBe('DDIMScheduler');
  expect(scheduler.predictionType).toBe('epsilon');
  expect(scheduler.timesteps(4)).toEqual([751, 501, 251, 1]);
  expect(scheduler.initNoiseSigma(4)).toBe(1);
  expect(scheduler.alphasCumprod).toHaveLength(1000);
  expect(scheduler.schedule.betas[999]).toBeCloseTo(0.012, 15);
});

test('a scheduler gives its complete configuration back, through JSON', () => {
  for (const scheduler of [
    ddimScheduler({ betaSchedule: 'sigmoid', thresholding: true, timestepSpacing: 'ldm', predictionType: 'sample' }),
    ddpmScheduler({ varianceType: 'fixed_large', trainedBetas: [0.1, 0.2], clipSampleRange: 2 }),
  ]) {
    const again = schedulerFromConfig(JSON.parse(JSON.stringify(scheduler.config)));
    expect(again.config).toEqual(scheduler.config);
    expect(again.alphasCumprod).toEqual(scheduler.alphasCumprod);
    expect(Object.isFrozen(again.config)).toBe(true);
  }
});

test('trained betas say how many training steps there are', () => {
  const scheduler = schedulerFromConfig({ _class_name: 'DDPMScheduler', trained_betas: [0.1, 0.2, 0.3] });
  expect(scheduler.config.num_train_timesteps).toBe(3);
  expect(scheduler.timesteps(3)).toEqual([2, 1, 0]);
});

test('predict_epsilon of old files is understood', () => {
  const old = (predictEpsilon: boolean) =>
    schedulerFromConfig({ _class_name: 'DDPMScheduler', predict_epsilon: predictEpsilon }).predictionType;
  expect(old(true)).toBe('epsilon');
  expect(old(false)).toBe('sample');
});

test.each<[string, unknown, string]>([
  [
    'an unknown class',
    { _class_name: 'VQDiffusionScheduler' },
    `schedulerFromConfig: _class_name must be one of ${CLASSES}, got "VQDiffusionScheduler"`,
  ],
  ['no class', {}, `schedulerFromConfig: _class_name must be one of ${CLASSES}, got undefined`],
  ['no object', null, 'schedulerFromConfig: config must be the object of a scheduler_config.json, got null'],
  [
    'an unknown field',
    { _class_name: 'DDIMScheduler', predction_type: 'sample' },
    'schedulerFromConfig: config must be made of the fields num_train_timesteps, beta_start, beta_end, beta_schedule, trained_betas, rescale_betas_zero_snr, prediction_type, timestep_spacing, steps_offset, clip_sample, clip_sample_range, thresholding, dynamic_thresholding_ratio, sample_max_value, set_alpha_to_one, got ["predction_type"]',
  ],
  [
    'a beta schedule',
    { _class_name: 'DDIMScheduler', beta_schedule: 'cosine' },
    'schedulerFromConfig: beta_schedule must be one of linear, scaled_linear, squaredcos_cap_v2, sigmoid, got "cosine"',
  ],
  [
    'a prediction type',
    { _class_name: 'DDPMScheduler', prediction_type: 'flow_prediction' },
    'schedulerFromConfig: prediction_type must be one of epsilon, v_prediction, sample, got "flow_prediction"',
  ],
  [
    'a spacing',
    { _class_name: 'DDPMScheduler', timestep_spacing: 'karras' },
    'schedulerFromConfig: timestep_spacing must be one of leading, trailing, linspace, ldm, got "karras"',
  ],
  [
    'a variance type',
    { _class_name: 'DDPMScheduler', variance_type: 'learned_range' },
    'schedulerFromConfig: variance_type must be one of fixed_small, fixed_small_log, fixed_large, got "learned_range"',
  ],
  [
    'a number as text',
    { _class_name: 'DDPMScheduler', beta_start: '0.1' },
    'schedulerFromConfig: beta_start must be a number in (0, 1), got "0.1"',
  ],
  [
    'a beta out of range',
    { _class_name: 'DDPMScheduler', beta_end: 1.5 },
    'schedulerFromConfig: beta_end must be a number in (0, 1), got 1.5',
  ],
  [
    'a fraction of training steps',
    { _class_name: 'DDPMScheduler', num_train_timesteps: 10.5 },
    'schedulerFromConfig: num_train_timesteps must be an integer >= 1, got 10.5',
  ],
  [
    'a flag as number',
    { _class_name: 'DDPMScheduler', clip_sample: 1 },
    'schedulerFromConfig: clip_sample must be true or false, got 1',
  ],
  [
    'a negative range',
    { _class_name: 'DDPMScheduler', clip_sample_range: -1 },
    'schedulerFromConfig: clip_sample_range must be a positive number, got -1',
  ],
  [
    'a quantile',
    { _class_name: 'DDPMScheduler', dynamic_thresholding_ratio: 2 },
    'schedulerFromConfig: dynamic_thresholding_ratio must be a number in [0, 1], got 2',
  ],
  [
    'a maximum',
    { _class_name: 'DDPMScheduler', sample_max_value: 0 },
    'schedulerFromConfig: sample_max_value must be a positive number, got 0',
  ],
  [
    'a negative offset',
    { _class_name: 'DDPMScheduler', steps_offset: -1 },
    'schedulerFromConfig: steps_offset must be an integer >= 0, got -1',
  ],
  [
    'betas that are no list',
    { _class_name: 'DDPMScheduler', trained_betas: 'linear' },
    'schedulerFromConfig: trained_betas must be a list of numbers or null, got "linear"',
  ],
  [
    'betas of another number',
    { _class_name: 'DDPMScheduler', trained_betas: [0.1], num_train_timesteps: 2 },
    'noiseSchedule: trainedBetas must be 2 numbers, one per training step, got 1',
  ],
  [
    'betas out of range',
    { _class_name: 'DDPMScheduler', trained_betas: [2] },
    'noiseSchedule: trainedBetas must be numbers in (0, 1], got 2',
  ],
])('%s is refused', (_, config, message) => {
  const refused = () => schedulerFromConfig(config as Record<string, unknown>);
  expect(refused).toThrow(expect.objectContaining({ name: 'ArgumentError', message }));
});
