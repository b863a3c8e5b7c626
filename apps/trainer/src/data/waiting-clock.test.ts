import { expect, test } from 'vitest';
import { WaitingClock } from './waiting-clock';

test('the share of time that was waited for, failures included', async () => {
  let now = 100;
  const clock = new WaitingClock(() => now);
  expect(clock.share).toBe(0);
  now = 110;
  const waited = clock.time(async () => {
    now = 140;
    return 'data';
  });
  expect(await waited).toBe('data');
  const failing = clock.time(async () => {
    now = 150;
    throw new Error('no data');
  });
  await expect(failing).rejects.toThrow('no data');
  now = 200;
  expect(clock.share).toBeCloseTo(0.4, 12);
});
