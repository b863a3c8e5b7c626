import { createAutoencoder } from '@sd/autoencoder';
import { randomKey } from '@sd/core';
import type { Module } from '@sd/nn';
import { UNet, type UNetConfig } from '@sd/unet';
import { buildScheduler } from '../training/build-models';
import { tinyProject } from '../training/tiny-project';
import type { Pipeline } from './pipeline';

/** For tests. Parameters of a fresh UNet's last convolution are 0, which would give the same noise back: shaken. */
export function shake<M extends Module>(model: M): M {
  model.initialize(randomKey(4));
  for (const parameter of model.parameters().values()) {
    parameter.load(Float32Array.from({ length: parameter.size }, (_, i) => 0.2 * Math.sin(1 + i)));
  }
  return model;
}

/** For tests: a model of the tiny project that makes different images of different noise. */
export function tinyPipeline(): Pipeline {
  const { models, firstStage, diffusion } = tinyProject('out');
  const model = firstStage.model as Parameters<typeof createAutoencoder>[0];
  return {
    unet: shake(new UNet(models.teacher.unet as unknown as UNetConfig)),
    autoencoder: createAutoencoder(model).initialize(randomKey(5)),
    scheduler: buildScheduler(diffusion),
    scaleFactor: 1.5,
  };
}
