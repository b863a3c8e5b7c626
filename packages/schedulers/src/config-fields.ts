import { ArgumentError } from '@sd/core';

/** One field of a configuration: its default, and what it accepts. */
export type Field<T> = {
  readonly fallback: T;
  readonly expected: string;
  readonly accepts: (value: unknown) => value is T;
};

/** The fields of a configuration type, all of them. */
export type Fields<C> = { readonly [K in keyof C]-?: Field<C[K]> };

export function booleanField(fallback: boolean): Field<boolean> {
  return { fallback, expected: 'true or false', accepts: (value) => typeof value === 'boolean' };
}

export function integerField(fallback: number, minimum: number): Field<number> {
  return {
    fallback,
    expected: `an integer >= ${minimum}`,
    accepts: (value): value is number => Number.isSafeInteger(value) && (value as number) >= minimum,
  };
}

export function numberField(fallback: number, expected: string, accepts: (value: number) => boolean): Field<number> {
  return { fallback, expected, accepts: (value): value is number => typeof value === 'number' && accepts(value) };
}

/** A number, or null. */
export function optionalNumberField(expected: string, accepts: (value: number) => boolean): Field<number | null> {
  return {
    fallback: null,
    expected,
    accepts: (value): value is number | null => value === null || (typeof value === 'number' && accepts(value)),
  };
}

export function choiceField<T extends string>(fallback: T, choices: readonly T[]): Field<T> {
  return {
    fallback,
    expected: `one of ${choices.join(', ')}`,
    accepts: (value): value is T => (choices as readonly unknown[]).includes(value),
  };
}

/** A list of numbers, or null. */
export function numbersField(): Field<readonly number[] | null> {
  return {
    fallback: null,
    expected: 'a list of numbers or null',
    accepts: (value): value is readonly number[] | null =>
      value === null || (Array.isArray(value) && value.every((item) => typeof item === 'number')),
  };
}

/**
 * Checks what is given, and fills in the rest.
 * @param spell how a field is written where the configuration comes from, for messages and look-up.
 * @throws {ArgumentError} on the first field with a value that is not accepted.
 */
export function completeConfig<C>(
  operation: string,
  fields: Fields<C>,
  given: Readonly<Record<string, unknown>>,
  spell: (name: string) => string,
): C {
  const entries = Object.entries<Field<unknown>>(fields).map(([name, field]) => {
    const value = given[spell(name)];
    if (value === undefined) return [name, field.fallback];
    if (!field.accepts(value)) throw new ArgumentError(operation, spell(name), field.expected, value);
    return [name, value];
  });
  return Object.fromEntries(entries) as C;
}

/** `numTrainTimesteps` to `num_train_timesteps`. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
