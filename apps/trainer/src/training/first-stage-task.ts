import { type Autoencoder, autoencoderLoss } from '@sd/autoencoder';
import { foldIn, type RandomKey } from '@sd/core';
import { focalFrequencyLoss } from '@sd/spectral-loss';
import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import type { FirstStageConfig } from '../config/schema';
import { BatchOrder } from '../data/batches';
import type { ImageDataset } from '../data/image-dataset';
import { microBatchSize } from './accumulated-gradients';
import type { Objective, TrainingTask } from './task';

/** Trains an autoencoder to give back the images of a dataset. */
export class FirstStageTask implements TrainingTask {
  readonly label = 'first stage';
  readonly kind = 'first stage';
  readonly identity: Readonly<Record<string, unknown>>;
  readonly modules;
  readonly result;
  readonly #order: BatchOrder;

  constructor(
    private readonly autoencoder: Autoencoder,
    private readonly dataset: ImageDataset,
    private readonly config: FirstStageConfig,
    private readonly key: RandomKey,
  ) {
    this.modules = { model: autoencoder };
    this.result = autoencoder;
    this.#order = new BatchOrder(foldIn(key, 'order'), dataset.length, microBatchSize(config));
    this.identity = { model: autoencoder.config, data: dataset.description, seedKey: key.words };
  }

  async batch(draw: number): Promise<{ images: Tensor4D }> {
    return { images: await this.dataset.batch(this.#order.indices(draw)) };
  }

  objective(batch: Readonly<Record<string, Tensor>>, draw: number): Objective {
    const { klWeight, focalFrequencyWeight } = this.config;
    const { total, parts } = autoencoderLoss(this.autoencoder, batch.images as Tensor4D, {
      klWeight,
      key: foldIn(foldIn(this.key, 'posterior'), draw),
      ...(focalFrequencyWeight > 0
        ? {
            perceptual: (x: Tensor4D, reconstruction: Tensor4D) => focalFrequencyLoss(reconstruction, x),
            perceptualWeight: focalFrequencyWeight,
          }
        : {}),
    });
    return { loss: total, parts };
  }

  dispose(): void {
    this.autoencoder.dispose();
  }
}
