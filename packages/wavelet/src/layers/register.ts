import { serialization } from '@tensorflow/tfjs-core';
import { DWT } from './dwt';
import { IDWT } from './idwt';
import { WGDown } from './wg-down';
import { WGUp } from './wg-up';

/**
 * Lets `tf.loadLayersModel` find the layers by their class names. Importing a class does so, too; a program that only
 * loads models imports none, and a bundler would leave them out.
 */
export function registerWaveletLayers(): void {
  for (const layer of [DWT, IDWT, WGDown, WGUp]) serialization.registerClass<InstanceType<typeof layer>>(layer);
}
