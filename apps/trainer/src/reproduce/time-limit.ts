import { OutOfTime } from './pieces';

/**
 * A signal that is aborted by another one, or after so many minutes with an `OutOfTime` as its reason.
 * @param minutes without end where it is left out.
 */
export function timeLimit(
  interrupt: AbortSignal,
  minutes: number | undefined,
): { readonly signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const forward = () => controller.abort(interrupt.reason);
  interrupt.addEventListener('abort', forward, { once: true });
  const expire = () => controller.abort(new OutOfTime(`the ${minutes} minutes are over`));
  const timer = minutes === undefined ? undefined : setTimeout(expire, 60_000 * minutes);
  return {
    signal: controller.signal,
    stop: () => {
      clearTimeout(timer);
      interrupt.removeEventListener('abort', forward);
    },
  };
}
