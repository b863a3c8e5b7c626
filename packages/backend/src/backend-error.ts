import { SpectralDiffusionError } from '@sd/core';
import type { BackendName } from './backend-info';

/** A backend that cannot be started here. The message is one line: `useBackend: cuda cannot start: <reason>`. */
export class BackendError extends SpectralDiffusionError {
  override readonly name = 'BackendError';

  constructor(
    readonly backend: 'auto' | BackendName,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`useBackend: ${backend} cannot start: ${reason}`, options);
  }
}

/** The reason in one line, whatever was thrown. */
export function reasonOf(error: unknown): string {
  if (error instanceof BackendError) return error.reason;
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0]!.trim();
}
