import { expect, test } from 'vitest';

test('the package exports these names', async () => {
  const names = Object.keys(await import('./index'));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "FeatureNetwork",
      "FeatureStatistics",
      "InceptionV3",
      "PerceptualDistance",
      "SqueezeNet",
      "VGG16",
      "checkImageRange",
      "featureRows",
      "featureStatistics",
      "fidStatistics",
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
