import { float32View } from '@sd/checkpoint';
import { expect, test } from 'vitest';
import { withoutPrefix, withPrefix } from './state-dict';

const view = (value: number) => float32View(Float32Array.of(value), [1]);

test('withoutPrefix takes what begins with a prefix, withPrefix gives it back', () => {
  const state = new Map([
    ['model.a', view(1)],
    ['model.b.c', view(2)],
    ['first_stage_model.a', view(3)],
    ['my.model.a', view(4)],
  ]);
  const model = withoutPrefix(state, 'model.');
  expect([...model]).toEqual([
    ['a', view(1)],
    ['b.c', view(2)],
  ]);
  expect([...withPrefix(model, 'model.')]).toEqual([...state].slice(0, 2));
  expect(withoutPrefix(state, 'cond.').size).toBe(0);
});
