import { expect, test } from 'vitest';

test('the public names are these', async () => {
  expect(Object.keys(await import('./index')).sort()).toMatchInlineSnapshot(`
    [
      "ArgumentError",
      "ShapeError",
      "SpectralDiffusionError",
      "THREEFRY_NORMAL_KERNEL",
      "checkAlive",
      "checkInteger",
      "checkRange",
      "checkShape",
      "dispatch",
      "foldIn",
      "formatValue",
      "hasKernel",
      "integerArray",
      "letEventsIn",
      "normal",
      "normalArray",
      "permutation",
      "randomKey",
      "threefry2x32",
      "uniform",
      "uniformArray",
    ]
  `);
});
