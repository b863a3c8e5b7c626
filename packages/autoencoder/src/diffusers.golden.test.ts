import { expect, test } from 'vitest';
import { classes, describeDiffusersValues, fromConfig, names, shapes } from './diffusers-values';

test.each(names)("%s has diffusers' names and shapes", async (name) => {
  const model = fromConfig(name);
  expect(model).toBeInstanceOf(classes[name]);
  const written = await model.stateDict({ layout: 'diffusers' });
  const ours = Object.fromEntries([...written].map(([key, { shape }]) => [key, [...shape]]));
  expect(ours).toEqual(shapes[name]);
  model.dispose();
});

describeDiffusersValues(['wasm']); // the other backends are in diffusers.golden.slow.test.ts
