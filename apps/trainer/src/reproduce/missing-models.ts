import { UserError } from '../user-error';

/** A figure or table needs trained models that are not there. */
export class MissingModels extends UserError {
  /** @param what is missing. @param command that makes it. */
  constructor(
    what: string,
    readonly command: string,
  ) {
    super(`${what}: make them with \`${command}\`, and name their folder as --models`);
  }
}
