/** A backend that cannot be started, is unknown, or does not fit this machine. The message is one line. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
}
