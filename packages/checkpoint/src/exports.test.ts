import { expect, test } from 'vitest';
import * as checkpoint from './index';

test('the package exports these names', () => {
  expect(Object.keys(checkpoint).sort()).toMatchInlineSnapshot(`
    [
      "CheckpointError",
      "DTYPES",
      "asFloat32",
      "bfloat16View",
      "bytesPerElement",
      "float16View",
      "float32View",
      "float64View",
      "int32View",
      "isDType",
      "openDiffusersFolder",
      "openSafetensors",
      "openSafetensorsShards",
      "openTorch",
      "readSafetensors",
      "readTorch",
      "safetensorsPieces",
      "toFloat32",
      "toFloat64",
      "toInt32",
      "writeSafetensors",
    ]
  `);
});
