import { expect, test } from 'vitest';
import * as exports from './index';

test('the public names are these', () => {
  expect(Object.keys(exports).sort()).toMatchInlineSnapshot(`
    [
      "DWT",
      "IDWT",
      "WGDown",
      "WGUp",
      "registerWaveletLayers",
    ]
  `);
});
