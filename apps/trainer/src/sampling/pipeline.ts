import type { Scheduler } from '@sd/schedulers';
import type { UNet } from '@sd/unet';
import type { AnyFirstStage } from '../files/first-stage-file';

/** A model with all that makes images of its predictions. */
export type Pipeline = {
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly autoencoder: AnyFirstStage;
  readonly scaleFactor: number;
};
