/**
 * The one error that this package throws on purpose. Its message reads
 * `op: part must be expected, got actual`, where `part` names the part of the file or the argument at fault.
 */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';

  constructor(
    /** The function that was called, e.g. `readSafetensors`. */
    readonly op: string,
    /** The part of the file, or the argument, e.g. `header length` or `tensor "w" shape`. */
    readonly part: string,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`${op}: ${part} must be ${expected}, got ${actual}`);
  }
}
