import { expect, test } from 'vitest';

test('the public names are these', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot(`
    [
      "AttnBlock",
      "AutoencoderKL",
      "AutoencoderTiny",
      "Decoder",
      "DiagonalGaussian",
      "Downsample",
      "Encoder",
      "FirstStage",
      "NLayerDiscriminator",
      "ResnetBlock",
      "Upsample",
      "VQModel",
      "VectorQuantizer",
      "autoencoderConfigFromDiffusers",
      "autoencoderConfigFromLdm",
      "autoencoderConfigToDiffusers",
      "autoencoderConfigToLdm",
      "autoencoderFromDiffusers",
      "autoencoderFromLdm",
      "autoencoderLoss",
      "checkAutoencoderConfig",
      "checkAutoencoderTinyConfig",
      "countMacs",
      "countParameters",
      "createAutoencoder",
      "decodeTiled",
      "discriminatorLoss",
      "downsampleFactor",
      "encodeTiled",
      "groupsOf",
      "latentScaleFactor",
      "perplexity",
      "presets",
      "reconstructionLoss",
      "tinyDownsampleFactor",
      "tinyPresets",
    ]
  `);
});
