import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomically } from '../files/atomic-file';
import { UserError } from '../user-error';
import { type Evaluation, evaluationSchema } from './evaluation';

/** What `sd evaluate` calls its result in a model's folder. */
export const EVALUATION_FILE = 'evaluation.json';

/** Reads an evaluation: a file, or the folder that has it. @throws {UserError} where there is none, or it is broken. */
export async function readEvaluation(path: string): Promise<Evaluation> {
  const isFolder = await stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
  const file = isFolder ? join(path, EVALUATION_FILE) : path;
  const text = await readFile(file, 'utf8').catch(() => {
    throw new UserError(`there is no evaluation at ${file}: make one with \`sd evaluate --config FILE --model NAME\``);
  });
  const parsed = evaluationSchema.safeParse(json(file, text));
  if (parsed.success) return parsed.data;
  const [{ path: where, message }] = parsed.error.issues;
  throw new UserError(`${file}: not an evaluation: ${where.join('.') || 'top level'}: ${message}`);
}

/** @throws {UserError} when it cannot be written. */
export async function writeEvaluation(file: string, evaluation: Evaluation): Promise<void> {
  await writeAtomically(file, `${JSON.stringify(evaluation, null, 2)}\n`);
}

function json(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${file}: not an evaluation: ${(error as Error).message}`);
  }
}
