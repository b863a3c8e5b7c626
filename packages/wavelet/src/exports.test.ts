import { expect, test } from 'vitest';
import * as exports from './index';

test('the public names are these', () => {
  expect(Object.keys(exports).sort()).toMatchInlineSnapshot(`
    [
      "GATED_HAAR_DWT2D_KERNEL",
      "GATED_HAAR_IDWT2D_KERNEL",
      "HAAR_DWT2D_KERNEL",
      "HAAR_GATE_GRAD_KERNEL",
      "HAAR_IDWT2D_KERNEL",
      "SPARSE_ROWS_KERNEL",
      "WGDown",
      "WGUp",
      "WaveletGate",
      "dwt1d",
      "dwt2d",
      "haarDwt2d",
      "haarDwt2dPacked",
      "haarIdwt2d",
      "haarIdwt2dPacked",
      "idwt1d",
      "idwt2d",
      "maxLevel",
      "wavedec2d",
      "waveletFilters",
      "waveletNames",
      "waverec2d",
    ]
  `);
});
