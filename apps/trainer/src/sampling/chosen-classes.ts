import { NO_CLASS } from '../conditions/denoiser';
import { withSuggestion } from '../config/nearest';
import type { ClassCondition } from '../files/weights-file';
import { UserError } from '../user-error';

/**
 * Classes by number or by name, as `--class` takes them: one for all samples, or several that they take turns in.
 * @param option for messages. @throws {UserError} that suggests the nearest name.
 */
export function chosenClasses(option: string, text: string, condition: ClassCondition): number[] {
  return text.split(',').map((part) => chosenClass(option, part.trim(), condition));
}

function chosenClass(option: string, name: string, { classes, classNames = [] }: ClassCondition): number {
  if (name === 'none') return NO_CLASS;
  const named = classNames.indexOf(name);
  if (named >= 0) return named;
  const number = Number(name);
  if (name !== '' && Number.isSafeInteger(number) && number >= 0 && number < classes) return number;
  if (/^-?\d+$/.test(name)) throw new UserError(`${option} ${name}: the model has classes 0 to ${classes - 1}`);
  const known = classNames.length > 0 ? withSuggestion(name, classNames) : `"${name}"; give 0 to ${classes - 1}`;
  throw new UserError(`${option}: the model has no class ${known}`);
}
