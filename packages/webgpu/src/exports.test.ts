import { expect, test } from 'vitest';
import * as webgpu from './index';

test('the public names are pinned', () => {
  expect(Object.keys(webgpu).sort()).toMatchInlineSnapshot(`
    [
      "recordForward",
      "registerWebGPUKernels",
      "replayed",
      "whyNotMixed",
    ]
  `);
});
