import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { UserError } from '../user-error';
import { withSuggestion } from './nearest';
import { type ProjectConfig, projectSchema } from './schema';

/**
 * Reads and validates a project's YAML file. Paths in it are relative to the file.
 * @throws {UserError} that names the file and lists every mistake, unknown keys with the nearest valid name.
 */
export async function loadConfig(path: string): Promise<ProjectConfig> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`config: cannot read ${path}: ${error.code === 'ENOENT' ? 'no such file' : error.message}`);
  });
  const document = parseDocument(text, { prettyErrors: true });
  if (document.errors.length > 0) {
    throw new UserError(`config: ${path} is not valid YAML: ${document.errors[0].message}`);
  }
  return withAbsolutePaths(parseConfig(document.toJS({ maxAliasCount: 100 }), path), dirname(resolve(path)));
}

/** Validates a configuration that is already an object. @throws {UserError} as `loadConfig`. */
export function parseConfig(value: unknown, source: string): ProjectConfig {
  const result = projectSchema.safeParse(value);
  if (result.success) return result.data;
  const lines = result.error.issues.map((issue) => `  ${describeIssue(issue, value)}`);
  throw new UserError(
    `config: ${source} has ${lines.length === 1 ? 'a mistake' : `${lines.length} mistakes`}:\n${lines.join('\n')}`,
  );
}

function describeIssue(issue: z.core.$ZodIssue, value: unknown): string {
  const where = issue.path.join('.') || 'top level';
  if (issue.code === 'unrecognized_keys') {
    const valid = validKeys(issue.path, value);
    return `${where}: unknown key ${issue.keys.map((key) => withSuggestion(key, valid)).join(', ')}`;
  }
  return `${where}: ${issue.message}`;
}

/** The keys that the schema knows at a path; a union is resolved by the value's discriminator. */
function validKeys(path: readonly PropertyKey[], value: unknown): string[] {
  let schema: unknown = projectSchema;
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
    return schema.options.find(
      (option) =>
        option instanceof z.ZodObject &&
        option.shape.source?.safeParse((value as { source?: unknown } | undefined)?.source).success,
    );
  }
  return schema;
}

function withAbsolutePaths(config: ProjectConfig, folder: string): ProjectConfig {
  const absolute = (path: string) => resolve(folder, path);
  const weights = (path: string | undefined) => (path === undefined ? {} : { weights: absolute(path) });
  return {
    ...config,
    out: absolute(config.out),
    data: config.data.source === 'folder' ? { ...config.data, path: absolute(config.data.path) } : config.data,
    firstStage: { ...config.firstStage, ...weights(config.firstStage.weights) },
    models: Object.fromEntries(
      Object.entries(config.models).map(([name, model]) => [name, { ...model, ...weights(model.weights) }]),
    ),
  };
}
