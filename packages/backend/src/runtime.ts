/** Whether this runs on Node itself (a bundle in a browser may carry a shim of `process` without versions). */
export function onNode(): boolean {
  return typeof process === 'object' && typeof process.versions?.node === 'string' && typeof document === 'undefined';
}
