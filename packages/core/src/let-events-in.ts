/**
 * Waits for one turn of the event loop: a task, not a microtask. A loop that computes without a pause hears of an abort, of
 * a message or of a signal of the system only then. Without the 4 ms that browsers make nested timers wait.
 */
export function letEventsIn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
