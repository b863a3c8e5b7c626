import { expect, test } from 'vitest';

test('the public names', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot(`
    [
      "ClassEmbedder",
      "UNET_CONFIG_FIELDS",
      "UNet",
      "countMacs",
      "countParameters",
      "defaultNormGroups",
      "featureShapes",
      "planUNet",
      "presets",
      "timestepEmbedding",
      "unetConfigFromDiffusers",
      "unetConfigFromLdm",
      "unetConfigToDiffusers",
      "unetConfigToLdm",
    ]
  `);
});
