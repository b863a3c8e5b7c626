import { expect, test } from 'vitest';

test('the package exports these names', async () => {
  const names = Object.keys(await import('./index'));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "FeatureStatistics",
      "checkImageRange",
      "featureRows",
      "featureStatistics",
      "frechetDistance",
      "kernelDistance",
      "kernelDistanceOfSubsets",
      "precisionRecall",
      "psnr",
      "readFeatures",
      "ssim",
    ]
  `);
});
