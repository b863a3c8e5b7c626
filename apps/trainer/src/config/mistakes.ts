import { z } from 'zod';
import { withSuggestion } from './nearest';

/** One thing that is wrong with a configuration. */
export type Mistake = { readonly path: readonly PropertyKey[]; readonly message: string };

/** `models.sd.steps: expected number, received string` */
export function formatMistake({ path, message }: Mistake): string {
  return `${path.map(String).join('.') || 'top level'}: ${message}`;
}

/** What zod found, in words: unknown keys with the nearest valid name, missing ones as such. */
export function schemaMistakes(schema: z.ZodType, error: z.ZodError, value: unknown): Mistake[] {
  return error.issues.flatMap((issue): Mistake[] => {
    const { path } = issue;
    if (issue.code === 'unrecognized_keys') {
      const valid = validKeys(schema, path, value);
      return issue.keys.map((key) => ({ path, message: `unknown key ${withSuggestion(key, valid)}` }));
    }
    const message = issue.code === 'invalid_key' ? issue.issues[0].message : issue.message;
    return [{ path, message: plainly(message) }];
  });
}

function plainly(message: string): string {
  const text = message
    .replace(/^Invalid input: /, '')
    .replace(/^Invalid option: (.*)$/, (_, rest: string) => rest.replaceAll('"|"', '", "'))
    .replace(/expected int, received number$/, 'expected a whole number');
  return text.endsWith(', received undefined') ? text.replace(/^(.*), received undefined$/, 'missing, $1') : text;
}

/** The keys that a schema knows at a path; a union is resolved by the value's discriminator. */
function validKeys(root: z.ZodType, path: readonly PropertyKey[], value: unknown): string[] {
  let schema: unknown = root;
  let current = value;
  for (const segment of path) {
    schema = descend(unwrap(schema, current), String(segment));
    current = (current as Record<PropertyKey, unknown> | undefined)?.[segment];
  }
  const object = unwrap(schema, current);
  return object instanceof z.ZodObject ? Object.keys(object.shape) : [];
}

function descend(schema: unknown, key: string): unknown {
  if (schema instanceof z.ZodObject) return schema.shape[key];
  if (schema instanceof z.ZodRecord) return schema.valueType;
  return undefined;
}

function unwrap(schema: unknown, value: unknown): unknown {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return unwrap(schema.def.innerType, value);
  }
  if (schema instanceof z.ZodDiscriminatedUnion) {
    const { discriminator } = schema.def;
    const given = (value as Record<string, unknown> | undefined)?.[discriminator];
    return schema.options.find(
      (option) => option instanceof z.ZodObject && option.shape[discriminator]?.safeParse(given).success,
    );
  }
  return schema;
}
