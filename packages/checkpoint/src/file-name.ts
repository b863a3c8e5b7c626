import { CheckpointError } from './checkpoint-error';
import { quote } from './quote';

// Letters, digits and marks inside a name: no separator, drive, `..`, hidden file or device of any system.
const PLAIN_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*$/;
const MAX_LENGTH = 200;

/**
 * The name, where it is a plain one: a file of the folder at hand, and no path out of it.
 * @throws CheckpointError naming `op` and `part`.
 */
export function checkFileName(op: string, part: string, name: string, ending = ''): string {
  if (name.length <= MAX_LENGTH && PLAIN_NAME.test(name) && name.endsWith(ending)) return name;
  const of = ending === '' ? '' : ` that ends in ${ending}`;
  throw new CheckpointError(op, part, `a plain file name${of}`, quote(name));
}
