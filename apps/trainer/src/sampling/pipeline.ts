import type { Autoencoder } from '@sd/autoencoder';
import type { Scheduler } from '@sd/schedulers';
import type { UNet } from '@sd/unet';

/** A model with all that makes images of its predictions. */
export type Pipeline = {
  readonly unet: UNet;
  readonly scheduler: Scheduler;
  readonly autoencoder: Autoencoder;
  readonly scaleFactor: number;
};
