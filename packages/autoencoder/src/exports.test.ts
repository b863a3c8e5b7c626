import { expect, test } from 'vitest';

test('the public names are these', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot(`
    [
      "AttnBlock",
      "AutoencoderKL",
      "Decoder",
      "DiagonalGaussian",
      "Downsample",
      "Encoder",
      "ResnetBlock",
      "Upsample",
      "VQModel",
      "VectorQuantizer",
      "autoencoderConfigFromLdm",
      "autoencoderFromLdm",
      "autoencoderLoss",
      "checkAutoencoderConfig",
      "countMacs",
      "countParameters",
      "createAutoencoder",
      "downsampleFactor",
      "groupsOf",
      "latentScaleFactor",
      "perplexity",
      "presets",
      "reconstructionLoss",
    ]
  `);
});
