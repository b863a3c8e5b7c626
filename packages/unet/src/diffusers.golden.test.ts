import { float16View, toFloat32 } from '@sd/checkpoint';
import { describeBackends } from '@sd/testing';
import { describe, expect, test } from 'vitest';
import { unetConfigFromDiffusers } from './diffusers-config';
import { DIFFUSERS_GOLDENS, diffusersGolden } from './testing/diffusers-golden';
import { NETWORK_TOLERANCE } from './testing/expect-golden-gradients';
import { DIFFUSERS_VARIANTS, expectVariant } from './testing/expect-variant';
import { UNet } from './unet';

describeBackends(['cpu', 'wasm'], () => {
  test.each(DIFFUSERS_GOLDENS)("%s gives diffusers' output", async (name) => {
    const { json, weights, x, t, options, y } = diffusersGolden(name);
    const model = new UNet(unetConfigFromDiffusers(json)).loadStateDict(weights);
    expect(model.loadedLayout).toMatchObject({ project: 'diffusers', prefix: '' });
    await expect(model.forward(x, t, options)).toBeAllclose(y, NETWORK_TOLERANCE);
    model.dispose();
  });
});

describe("a state dict in diffusers' names", () => {
  test.each(DIFFUSERS_GOLDENS)('%s is written as diffusers wrote it: names, shapes and bytes', async (name) => {
    const { json, weights } = diffusersGolden(name);
    const model = new UNet(unetConfigFromDiffusers(json)).loadStateDict(weights);
    const written = await model.stateDict({ layout: 'diffusers' });
    expect([...written.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [key, view] of written) {
      const [ours, theirs] = [float16View(toFloat32(view), view.shape), weights.get(key)!];
      expect(ours.shape, key).toEqual(theirs.shape);
      expect(Buffer.compare(ours.data, theirs.data), key).toBe(0);
    }
  });
});

// The rest on cpu and WebGPU is in diffusers.golden.slow.test.ts.
describeBackends(['wasm'], () => {
  test.each(DIFFUSERS_VARIANTS)("%s gives diffusers' output and gradients", async (name) => {
    await expectVariant(name);
  });
});
