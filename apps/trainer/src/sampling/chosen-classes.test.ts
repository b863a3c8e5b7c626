import { expect, test } from 'vitest';
import { NO_CLASS } from '../conditions/denoiser';
import { chosenClasses } from './chosen-classes';

const flowers = { kind: 'class', classes: 3, classNames: ['daisy', 'rose', 'tulip'] } as const;

test('classes are chosen by name or number', () => {
  expect(chosenClasses('--class', 'tulip', flowers)).toEqual([2]);
  expect(chosenClasses('--class', '1, daisy,none', flowers)).toEqual([1, 0, NO_CLASS]);
  expect(chosenClasses('--class', '7', { kind: 'class', classes: 8 })).toEqual([7]);
  // a name wins over a number
  expect(chosenClasses('--class', '0', { kind: 'class', classes: 2, classNames: ['1', '0'] })).toEqual([1]);
});

test('a class that is not there is refused, with what is', () => {
  const refused = (text: string, condition: Parameters<typeof chosenClasses>[2] = flowers) =>
    expect(() => chosenClasses('--class', text, condition));
  refused('tulp').toThrowErrorMatchingInlineSnapshot(
    `[UserError: --class: the model has no class "tulp" (did you mean "tulip"?)]`,
  );
  refused('3').toThrowErrorMatchingInlineSnapshot(`[UserError: --class 3: the model has classes 0 to 2]`);
  refused('-1').toThrowErrorMatchingInlineSnapshot(`[UserError: --class -1: the model has classes 0 to 2]`);
  refused('rose,').toThrowErrorMatchingInlineSnapshot(
    `[UserError: --class: the model has no class "" (valid: daisy, rose, tulip)]`,
  );
  refused('rose', { kind: 'class', classes: 3 }).toThrowErrorMatchingInlineSnapshot(
    `[UserError: --class: the model has no class "rose"; give 0 to 2]`,
  );
});
