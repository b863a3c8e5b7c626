import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';
import { expectGoldenGradients, NETWORK_TOLERANCE } from './testing/expect-golden-gradients';
import { GOLDEN_VARIANTS, goldenVariant } from './testing/golden-variant';
import { UNet } from './unet';

describeBackends(['cpu'], () => {
  test.each(GOLDEN_VARIANTS)("%s gives the reference's output and gradients", async (name) => {
    const variant = goldenVariant(name);
    const { config, weights, x, t, options, y } = variant;
    await expect(new UNet(config).loadStateDict(weights).forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
    await expectGoldenGradients(variant);
  });
});
