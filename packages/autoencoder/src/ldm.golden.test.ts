import { toFloat32 } from '@sd/checkpoint';
import { withoutPrefix } from '@sd/nn';
import { expect, test } from 'vitest';
import { autoencoderFromLdm } from './from-ldm';
import { describeLdmValues, file, numbers, params } from './ldm-values';

describeLdmValues(['cpu', 'wasm']); // the other backend is in ldm.golden.slow.test.ts

test('what we save has the names, shapes and values of the checkpoint that was loaded', async () => {
  for (const name of ['vq_f4', 'kl_f8'] as const) {
    const weights = withoutPrefix(file.tensors, `${name}/weights/`);
    const model = autoencoderFromLdm(params[name]);
    model.loadStateDict(weights);
    const saved = await model.stateDict();
    expect([...saved.keys()].sort()).toEqual([...weights.keys()].sort());
    for (const [key, view] of saved) {
      expect(view.shape).toEqual(weights.get(key)?.shape);
      // of bytes: vitest's own comparison takes seconds on arrays of this size
      expect(Buffer.compare(Buffer.from(toFloat32(view).buffer), Buffer.from(numbers(weights, key).buffer)), key).toBe(
        0,
      );
    }
    model.dispose();
  }
});
