import type { ProjectConfig } from '../config/schema';
import { modelConfig } from '../training/run-stages';
import { UserError } from '../user-error';

export type BatchOptions = {
  readonly model: string;
  /** In place of the model's batchSize. */
  readonly batch?: number;
  /** In place of its microBatchSize. */
  readonly microBatch?: number;
};

/** A project whose model has another batch. @throws {UserError} where the small batch does not divide it. */
export function withBatch(config: ProjectConfig, { model: name, batch, microBatch }: BatchOptions): ProjectConfig {
  if (batch === undefined && microBatch === undefined) return config;
  const { microBatchSize, ...model } = modelConfig(config, name);
  const batchSize = batch ?? model.batchSize;
  // A small batch of the file that does not divide another batch is not asked for.
  const own = microBatchSize !== undefined && batchSize % microBatchSize === 0 ? microBatchSize : undefined;
  const small = microBatch ?? own;
  if (small !== undefined && batchSize % small !== 0) {
    throw new UserError(`--micro-batch ${small} does not divide the batch, ${batchSize}`);
  }
  const changed = { ...model, batchSize, ...(small === undefined ? {} : { microBatchSize: small }) };
  return { ...config, models: { ...config.models, [name]: changed } };
}
