import { describeBackends } from '@sd/testing';
import { expect, test } from 'vitest';
import { squaredError } from './squared-error';
import { noise } from './test-values';

describeBackends(['cpu', 'wasm'], () => {
  test('squaredError keeps float32’s digits on a million elements', async () => {
    const shape = [4, 128, 128, 16] as const;
    const [student, teacher] = [noise(1, shape), noise(2, shape)];
    const [a, b] = [await student.data<'float32'>(), await teacher.data<'float32'>()];
    const expected = a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length;
    await expect(squaredError(student, teacher, 'mean')).toBeAllclose([expected], 1e-6);
    await expect(squaredError(student, teacher, 'sum')).toBeAllclose([expected * a.length], 1e-6);
  });
});
