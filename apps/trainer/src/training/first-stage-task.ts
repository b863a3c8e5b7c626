import {
  type Autoencoder,
  type AutoencoderLossOptions,
  autoencoderLoss,
  discriminatorLoss,
  NLayerDiscriminator,
  type WeightedDistance,
} from '@sd/autoencoder';
import { foldIn, type RandomKey } from '@sd/core';
import type { Module } from '@sd/nn';
import { focalFrequencyLoss } from '@sd/spectral-loss';
import type { Scalar, Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import type { FirstStageConfig } from '../config/schema';
import { BatchOrder } from '../data/batches';
import type { ImageDataset } from '../data/image-dataset';
import { WaitingClock } from '../data/waiting-clock';
import { drawsPerStep, microBatchSize } from './accumulated-gradients';
import type { PerceptualLoss } from './perceptual-loss';
import type { Objective, TrainingTask } from './task';

/** Draws whose pictures are read while the device computes. */
const DRAWS_AHEAD = 2;

/**
 * Trains an autoencoder to give back the images of a dataset, with a discriminator where the configuration has one. Both
 * are updated in the same step, from the same weights, where taming-transformers lets them take turns: one pass over
 * the parameters, and the discriminator sees reconstructions of the weights that it is to judge.
 */
export class FirstStageTask implements TrainingTask {
  readonly label = 'first stage';
  readonly kind = 'first stage';
  readonly identity: Readonly<Record<string, unknown>>;
  readonly modules: Readonly<Record<string, Module>>;
  readonly result: Autoencoder;
  /** Of waiting for pictures. */
  readonly clock = new WaitingClock();
  readonly #order: BatchOrder;
  readonly #discriminator: NLayerDiscriminator | undefined;

  constructor(
    autoencoder: Autoencoder,
    private readonly dataset: ImageDataset,
    private readonly config: FirstStageConfig,
    private readonly key: RandomKey,
    /** Borrowed. */
    private readonly perceptual?: PerceptualLoss,
  ) {
    const { adversarial } = config;
    if (adversarial) {
      this.#discriminator = new NLayerDiscriminator({ ...adversarial, inChannels: autoencoder.config.outCh });
      this.#discriminator.outputSize(dataset.size, dataset.size); // says so where the images are too small for it
    }
    this.modules = { model: autoencoder, ...(this.#discriminator ? { discriminator: this.#discriminator } : {}) };
    this.result = autoencoder;
    this.#order = new BatchOrder(foldIn(key, 'order'), dataset.length, microBatchSize(config), dataset.groups);
    this.identity = {
      model: autoencoder.config,
      data: dataset.description,
      seedKey: key.words,
      ...(perceptual ? { perceptual: perceptual.identity } : {}),
    };
  }

  /** `reconstruction` is the discriminator's example of an image that is not real: a constant, hence made here. */
  async batch(draw: number): Promise<{ images: Tensor4D; reconstruction?: Tensor4D }> {
    const images = await this.clock.time(() => this.#images(draw));
    if (!this.#adversarialAt(draw)) return { images };
    return { images, reconstruction: this.#reconstruction(images, this.#posteriorKey(draw)) };
  }

  #images(draw: number): Promise<Tensor4D> {
    const crops = (of: number) => foldIn(foldIn(this.key, 'crop'), of);
    const images = this.dataset.batch(this.#order.indices(draw), crops(draw));
    for (let ahead = draw + 1; ahead <= draw + DRAWS_AHEAD; ahead++) {
      this.dataset.prefetch?.(this.#order.indices(ahead), crops(ahead));
    }
    return images;
  }

  objective(batch: Readonly<Record<string, Tensor>>, draw: number): Objective {
    const { klWeight, focalFrequencyWeight, adversarial } = this.config;
    const [images, reconstruction] = [batch.images, batch.reconstruction] as [Tensor4D, Tensor4D | undefined];
    const turn = this.#adversarialAt(draw);
    const options: AutoencoderLossOptions = {
      klWeight,
      key: this.#posteriorKey(draw),
      ...(this.perceptual ? { perceptual: this.perceptual.distance, perceptualWeight: this.perceptual.weight } : {}),
      distances: focalFrequencyWeight > 0 ? { focalFrequency: focalFrequency(focalFrequencyWeight) } : {},
      ...(turn ? { adversarial: turn } : {}),
    };
    const { total, parts } = autoencoderLoss(this.result, images, options);
    if (!turn || !reconstruction) return { loss: total, parts };
    const judged = discriminatorLoss(turn.discriminator, images, reconstruction, { ...turn, loss: adversarial?.loss });
    return { loss: tf.add(total, judged.total) as Scalar, parts: { ...parts, discriminator: judged.total } };
  }

  dispose(): void {
    for (const module of Object.values(this.modules)) module.dispose();
  }

  /** What the discriminator has to do with a draw; nothing before its start. */
  #adversarialAt(draw: number) {
    const { adversarial } = this.config;
    const step = Math.floor(draw / drawsPerStep(this.config));
    if (!adversarial || !this.#discriminator || step < adversarial.start) return undefined;
    const { start, weight, factor } = adversarial;
    return { discriminator: this.#discriminator, step, start, weight, factor };
  }

  /** The same sample of the posterior as the objective's. */
  #reconstruction(images: Tensor4D, key: RandomKey): Tensor4D {
    const model = this.result;
    return tf.tidy(() =>
      model.kind === 'kl'
        ? model.decode(model.encode(images).sample(foldIn(key, 'posterior')))
        : model.decode(model.encode(images)),
    );
  }

  #posteriorKey(draw: number): RandomKey {
    return foldIn(foldIn(this.key, 'posterior'), draw);
  }
}

function focalFrequency(weight: number): WeightedDistance {
  return { distance: (x, reconstruction) => focalFrequencyLoss(reconstruction, x), weight };
}
