import { expect, test } from 'vitest';
import { letEventsIn } from './let-events-in';

test('a timer that is due and a message are heard in a loop that computes, which microtasks do not allow', async () => {
  const heard: string[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    heard.push('message');
    port1.close();
  };
  port2.postMessage(null);
  setTimeout(() => heard.push('timer'), 0);
  for (let i = 0; i < 1000; i++) await null;
  expect(heard).toEqual([]);
  const until = performance.now() + 1000;
  while (heard.length < 2 && performance.now() < until) await letEventsIn();
  expect(heard.sort()).toEqual(['message', 'timer']);
});
