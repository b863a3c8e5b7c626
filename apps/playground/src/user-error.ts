import { SpectralDiffusionError } from '@sd/core';

/** Something that whoever uses the page can mend: its message is shown as it is. */
export class UserError extends SpectralDiffusionError {
  override readonly name = 'UserError';
}
