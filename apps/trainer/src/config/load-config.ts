import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Document, parseDocument } from 'yaml';
import { UserError } from '../user-error';
import { formatMistake, schemaMistakes } from './mistakes';
import { modelMistakes } from './model-mistakes';
import {
  type DataConfig,
  type DistillationConfig,
  type FirstStageConfig,
  type ProjectConfig,
  projectSchema,
} from './schema';

/**
 * Reads and validates a project's YAML file. Paths in it are relative to the file.
 * @throws {UserError} that names the file and lists every mistake, unknown keys with the nearest valid name.
 */
export async function loadConfig(path: string): Promise<ProjectConfig> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new UserError(`config: cannot read ${path}: ${readFailure(error)}`);
  });
  const document = parseDocument(text, { prettyErrors: true, merge: true });
  if (document.errors.length > 0) {
    throw new UserError(`config: ${path} is not valid YAML: ${document.errors[0].message.trimEnd()}`);
  }
  return withAbsolutePaths(parseConfig(plainObject(document, path), path), dirname(resolve(path)));
}

function plainObject(document: Document, path: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new UserError(`config: ${path} is not valid YAML: ${(error as Error).message}`);
  }
}

/** Validates a configuration that is already an object. @throws {UserError} as `loadConfig`. */
export function parseConfig(value: unknown, source: string): ProjectConfig {
  const result = projectSchema.safeParse(value);
  const mistakes = [
    ...(result.success ? [] : schemaMistakes(projectSchema, result.error, value)),
    ...modelMistakes(value),
  ];
  if (result.success && mistakes.length === 0) return result.data;
  const count = mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`;
  throw new UserError(
    `config: ${source} has ${count}:\n${mistakes.map((mistake) => `  ${formatMistake(mistake)}`).join('\n')}`,
  );
}

function withAbsolutePaths(config: ProjectConfig, folder: string): ProjectConfig {
  const absolute = (path: string) => resolve(folder, path);
  const weights = (path: string | undefined) => (path === undefined ? {} : { weights: absolute(path) });
  return {
    ...config,
    out: absolute(config.out),
    data: absoluteData(config.data, absolute),
    ...(config.condition?.kind === 'text'
      ? { condition: { ...config.condition, encoder: absolute(config.condition.encoder) } }
      : {}),
    firstStage: absoluteFirstStage(config.firstStage, absolute),
    models: Object.fromEntries(
      Object.entries(config.models).map(([name, model]) => [
        name,
        {
          ...model,
          ...weights(model.weights),
          ...(model.encoder ? { encoder: absolute(model.encoder) } : {}),
          ...(model.distillation ? { distillation: absoluteDistillation(model.distillation, absolute) } : {}),
        },
      ]),
    ),
  };
}

function absoluteFirstStage(
  { weights, perceptual, ...firstStage }: FirstStageConfig,
  absolute: (path: string) => string,
): FirstStageConfig {
  const named = <K extends string>(key: K, path: string | undefined) =>
    path === undefined ? {} : ({ [key]: absolute(path) } as Record<K, string>);
  return {
    ...firstStage,
    ...named('weights', weights),
    ...(perceptual
      ? { perceptual: { ...perceptual, weights: absolute(perceptual.weights), ...named('heads', perceptual.heads) } }
      : {}),
  };
}

function absoluteDistillation(
  { module, cache, ...distillation }: DistillationConfig,
  absolute: (path: string) => string,
): DistillationConfig {
  return {
    ...distillation,
    ...(module === undefined ? {} : { module: absolute(module) }),
    ...(cache
      ? { cache: { ...cache, ...(cache.folder === undefined ? {} : { folder: absolute(cache.folder) }) } }
      : {}),
  };
}

function absoluteData(data: DataConfig, absolute: (path: string) => string): DataConfig {
  if (data.source === 'dead-leaves') return data;
  const path = absolute(data.path);
  return data.source === 'coco' ? { ...data, path, captions: absolute(data.captions) } : { ...data, path };
}

function readFailure(error: NodeJS.ErrnoException): string {
  if (error.code === 'ENOENT') return 'no such file';
  return error.code === 'EISDIR' ? 'it is a folder' : error.message;
}
