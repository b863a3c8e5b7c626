import { schedulerFromConfig } from '@sd/schedulers';
import { expect, test } from 'vitest';
import { schedulerConfig } from '../training/build-models';
import { tinyProject } from '../training/tiny-project';
import { UserError } from '../user-error';
import { SAMPLER_NAMES, SAMPLERS, type SamplerOptions, samplerScheduler, takesEta } from './samplers';

const own = schedulerConfig(tinyProject('out').diffusion);

function complaint(options: SamplerOptions, changes: Readonly<Record<string, unknown>> = {}): string {
  try {
    samplerScheduler({ ...own, ...changes }, options);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as Error).message;
  }
  throw new Error('expected a complaint');
}

test('the list has every class of @sd/schedulers once, and PNDM without its first steps as plms', () => {
  let listed: string[] = [];
  try {
    schedulerFromConfig({ _class_name: 'None' });
  } catch (error) {
    listed = (error as Error).message.match(/\w+Scheduler\b/g) ?? [];
  }
  listed = listed.filter((name) => name !== 'schedulerFromConfig');
  expect(listed).toHaveLength(23);
  const names = SAMPLER_NAMES.filter((name) => name !== 'plms');
  expect(names.map((name) => SAMPLERS[name].className).sort()).toEqual([...new Set(listed)].sort());
});

test('without a name the scheduler is the model’s own', () => {
  expect(samplerScheduler(own, {}).config).toEqual(schedulerFromConfig(own).config);
  expect(samplerScheduler(own, { sampler: 'ddim' }).config).toEqual(schedulerFromConfig(own).config);
});

const drawing = SAMPLER_NAMES.filter((name) => SAMPLERS[name].family === 'ddpm' && name !== 'ddim-inverse');

test.each(drawing)('%s has the model’s forward process and prediction type, and clips no latents', (sampler) => {
  const type = sampler === 'repaint' ? 'epsilon' : 'v_prediction';
  const changes = { prediction_type: type, num_train_timesteps: 500, beta_end: 0.03 };
  const scheduler = samplerScheduler({ ...own, ...changes }, { sampler, inpaints: true });
  expect(scheduler.className).toBe(SAMPLERS[sampler].className);
  expect(scheduler.predictionType).toBe(type);
  expect([...scheduler.alphasCumprod]).toEqual([...schedulerFromConfig({ ...own, ...changes }).alphasCumprod]);
  expect(scheduler.config.clip_sample ?? false).toBe(false);
  expect(scheduler.plan({ steps: 6 }).every(({ clipping }) => clipping === null)).toBe(true);
  const eta = () => scheduler.plan({ steps: 6, eta: 0.5 });
  if (takesEta(scheduler)) expect(eta().length).toBeGreaterThan(0);
  else expect(eta).toThrow(/eta must be left out/);
});

test('plms and --sigmas set their fields', () => {
  expect(samplerScheduler(own, { sampler: 'plms' }).config.skip_prk_steps).toBe(true);
  expect(samplerScheduler(own, { sampler: 'pndm' }).config.skip_prk_steps).toBe(false);
  expect(samplerScheduler(own, { sampler: 'euler', sigmas: 'karras' }).config.use_karras_sigmas).toBe(true);
  expect(samplerScheduler(own, { sampler: 'dpm++2m', sigmas: 'exponential' }).config.use_exponential_sigmas).toBe(true);
  expect(samplerScheduler(own, { sampler: 'heun', sigmas: 'beta' }).config.use_beta_sigmas).toBe(true);
});

test('a model of flow matching is drawn from by its own kind', () => {
  const flow = { _class_name: 'FlowMatchEulerDiscreteScheduler', shift: 3 };
  expect(samplerScheduler(flow, {}).config.shift).toBe(3);
  expect(samplerScheduler(flow, { sampler: 'flow-heun' }).className).toBe('FlowMatchHeunDiscreteScheduler');
  expect(() => samplerScheduler(flow, { sampler: 'ddim' })).toThrowErrorMatchingInlineSnapshot(
    `[UserError: --sampler ddim is for a DDPM (epsilon), and the model was trained as flow matching]`,
  );
});

test('what does not go together is said before any work', () => {
  expect(complaint({ sampler: 'eulr' })).toMatchInlineSnapshot(
    `"--sampler: no sampler "eulr" (did you mean "euler"?)"`,
  );
  expect(complaint({ sampler: 'flow-euler' })).toMatchInlineSnapshot(
    `"--sampler flow-euler is for flow matching, and the model was trained as a DDPM (v_prediction)"`,
  );
  expect(complaint({ sampler: 'edm-euler' }, { prediction_type: 'epsilon' })).toMatchInlineSnapshot(
    `"--sampler edm-euler is for a preconditioned model (EDM), and the model was trained as a DDPM (epsilon)"`,
  );
  expect(complaint({ sampler: 'ddim-inverse' })).toMatchInlineSnapshot(
    `"--sampler ddim-inverse goes from an image to its noise, and draws nothing; give ddim"`,
  );
  expect(complaint({ sampler: 'repaint', inpaints: true })).toMatchInlineSnapshot(
    `"--sampler repaint is for models of epsilon, not v_prediction"`,
  );
  expect(complaint({ sampler: 'repaint' }, { prediction_type: 'epsilon' })).toMatchInlineSnapshot(
    `"--sampler repaint needs --init and --mask"`,
  );
  expect(complaint({ sampler: 'plms' }, { prediction_type: 'sample' })).toMatchInlineSnapshot(
    `"--sampler plms is for models of epsilon or v_prediction, not sample"`,
  );
  expect(complaint({ sampler: 'euler', eta: 0 })).toMatchInlineSnapshot(
    `"--eta: euler has none; give one of ddim, repaint, tcd"`,
  );
  expect(complaint({ sampler: 'lcm', sigmas: 'karras' })).toMatchInlineSnapshot(
    `"--sigmas karras: lcm has its own levels of noise; give one of deis, dpm++2m, dpm++2s, dpm-sde, euler, heun, kdpm2, kdpm2-a, lms, sa-solver, unipc"`,
  );
  expect(complaint({ sigmas: 'beta' })).toMatchInlineSnapshot(
    `"--sigmas beta: ddim has its own levels of noise; give one of deis, dpm++2m, dpm++2s, dpm-sde, euler, heun, kdpm2, kdpm2-a, lms, sa-solver, unipc"`,
  );
  expect(complaint({ sampler: 'heun' }, { rescale_betas_zero_snr: true })).toMatchInlineSnapshot(
    `"--sampler heun cannot start from pure noise (rescale_betas_zero_snr), as the model was trained to"`,
  );
});
