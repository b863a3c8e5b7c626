import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';
import { unetConfigFromDiffusers } from './diffusers-config';
import { DIFFUSERS_GOLDENS, diffusersGolden } from './testing/diffusers-golden';
import { NETWORK_TOLERANCE } from './testing/expect-golden-gradients';
import { DIFFUSERS_VARIANTS, expectVariant, expectVariantOutput } from './testing/expect-variant';
import { GOLDEN_VARIANTS, goldenVariant } from './testing/golden-variant';
import { UNet } from './unet';

describeBackends(['cpu'], () => {
  test.each(DIFFUSERS_VARIANTS)("%s gives diffusers' output and gradients", async (name) => {
    await expectVariant(name);
  });
});

// SwiftShader takes minutes for the gradients of some: one stands for all.
describeBackends(['webgpu'], () => {
  test("ddpm gives diffusers' gradients", async () => {
    await expectVariant('ddpm');
  });

  test.each(DIFFUSERS_VARIANTS)("%s gives diffusers' output", async (name) => {
    await expectVariantOutput(name);
  });

  test.each(DIFFUSERS_GOLDENS)("%s gives diffusers' output", async (name) => {
    const { json, weights, x, t, options, y } = diffusersGolden(name);
    const model = new UNet(unetConfigFromDiffusers(json)).loadStateDict(weights);
    await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
    model.dispose();
  });

  test.each(GOLDEN_VARIANTS)("%s gives LDM's output", async (name) => {
    const { config, weights, x, t, options, y } = goldenVariant(name);
    const model = new UNet(config).loadStateDict(weights);
    await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
    model.dispose();
  });
});
