import { describeBackends } from '@sd/testing';
import { describe, expect, test } from 'vitest';
import { expectGoldenGradients, NETWORK_TOLERANCE } from './testing/expect-golden-gradients';
import { GOLDEN_VARIANTS, goldenVariant } from './testing/golden-variant';
import { UNet } from './unet';

describe.each(GOLDEN_VARIANTS)('%s', (name) => {
  test("has the reference's parameters, by name, shape and count", () => {
    const { config, weights, parameterCount } = goldenVariant(name);
    const model = new UNet(config);
    const shapes = [...model.parameters()].map(([key, { torchShape }]) => `${key} [${torchShape}]`);
    expect(shapes.sort()).toEqual([...weights].map(([key, { shape }]) => `${key} [${shape}]`).sort());
    expect(model.parameterCount).toBe(parameterCount);
  });
});

// The rest on cpu is in unet.golden.slow.test.ts: it has 1 GFLOP/s, and 0.04 for a filter gradient.
describeBackends(['cpu', 'wasm'], (backend) => {
  test.each(backend === 'cpu' ? (['uncond'] as const) : GOLDEN_VARIANTS)(
    "%s gives the reference's output",
    async (name) => {
      const { config, weights, x, t, options, y } = goldenVariant(name);
      const model = new UNet(config).loadStateDict(weights);
      await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
      model.dispose();
    },
  );
});

describeBackends(['wasm'], () => {
  test.each(GOLDEN_VARIANTS)("%s gives the reference's gradients", async (name) => {
    await expectGoldenGradients(goldenVariant(name));
  });
});
