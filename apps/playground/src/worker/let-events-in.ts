/** A task, not a microtask: a worker that computes hears of a Cancel only between tasks. */
export function letEventsIn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0));
}
