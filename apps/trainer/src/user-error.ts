import { SpectralDiffusionError } from '@sd/core';

/** Something the user can mend: the command prints the message without a stack and exits with 1. */
export class UserError extends SpectralDiffusionError {
  override readonly name = 'UserError';
}
