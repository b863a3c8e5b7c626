import { expect, test } from 'vitest';

test('the package exports these names', async () => {
  const names = Object.keys(await import('./index'));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "SPECTRAL_POWER_GRAD_KERNEL",
      "SPECTRAL_POWER_KERNEL",
      "SpectrumStatistics",
      "dft2d",
      "focalFrequencyLoss",
      "frequencyErrors",
      "idft2d",
      "luma",
      "naturalSpectrum",
      "noiseFilter",
      "noiseFilterPublished",
      "radialSpectrum",
      "resize2d",
      "spectralLoss",
      "spectralWeight",
      "wienerFilter",
    ]
  `);
});
