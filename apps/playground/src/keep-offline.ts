let asked = false;

/**
 * Has the browser keep the page for use without a network. To be called when there is something to see: until then
 * nothing shall slow down what is needed first.
 */
export function keepOffline(): void {
  if (asked || !import.meta.env.PROD || !('serviceWorker' in navigator)) return;
  asked = true;
  void navigator.serviceWorker.register('./service-worker.js');
}
