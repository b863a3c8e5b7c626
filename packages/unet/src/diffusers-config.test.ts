import { expect, test } from 'vitest';
import { countParameters } from './counts';
import { unetConfigFromDiffusers } from './diffusers-config';
import { DDPM_CELEBAHQ, DDPM_CIFAR10, SD_15, SD_21, SDXL } from './testing/diffusers-configs';

test.each([
  ['google/ddpm-cifar10-32', DDPM_CIFAR10, 35_746_307],
  ['google/ddpm-celebahq-256', DDPM_CELEBAHQ, 113_673_219],
  ['Stable Diffusion 1.5', SD_15, 859_520_964],
  ['Stable Diffusion 2.1', SD_21, 865_910_724],
  ['Stable Diffusion XL', SDXL, 2_567_463_684],
])('%s has its published number of parameters', (_, json, parameters) => {
  expect(countParameters(unetConfigFromDiffusers(json))).toBe(parameters);
});
