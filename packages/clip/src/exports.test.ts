import { expect, test } from 'vitest';

test('the package exports these names', async () => {
  const names = Object.keys(await import('./index'));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "CausalSelfAttention",
      "ClipEncoderLayer",
      "ClipTextModel",
      "ClipTokenizer",
      "causalMask",
      "checkClipTextConfig",
      "clipTextConfigFromHuggingFace",
      "clipTextConfigToHuggingFace",
      "countMacs",
      "countParameters",
      "openClipText",
      "openClipTokenizer",
      "presets",
      "quickGelu",
    ]
  `);
});
