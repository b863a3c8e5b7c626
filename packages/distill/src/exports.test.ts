import { expect, test } from 'vitest';

test('the package exports these names', async () => {
  const names = Object.keys(await import('./index'));
  expect(names.sort()).toMatchInlineSnapshot(`
    [
      "OUTPUT_PAIR",
      "SpectrumAwareDistillation",
      "distillationBatch",
      "distillationObjective",
      "pairFeatures",
      "pairName",
      "pairedTensors",
      "spectrumAwareDistillation",
    ]
  `);
});
