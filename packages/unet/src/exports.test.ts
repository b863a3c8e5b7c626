import { expect, test } from 'vitest';

test('the public names', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot(`
    [
      "UNet",
      "countMacs",
      "countParameters",
      "defaultNormGroups",
      "featureShapes",
      "presets",
      "timestepEmbedding",
      "unetConfigFromLdm",
    ]
  `);
});
