import { resolveUNetConfig, type UNetConfig } from './config';
import { planUNet } from './plan';

/** A hidden state that `UNet.forwardWithFeatures` gives, `[N, height, width, channels]`. */
export type FeatureShape = {
  readonly name: string;
  readonly channels: number;
  readonly height: number;
  readonly width: number;
};

/**
 * The features of a model: the last block of each decoder level, in the order in which they are computed, coarse to
 * fine. `up.L` is level L of `channelMult`, 2^L times smaller than the input; level 0 is the last. No tensor is made.
 * @param size height and width of the input; the configuration's `imageSize` by default.
 */
export function featureShapes(config: UNetConfig, size: number = config.imageSize): FeatureShape[] {
  const plan = planUNet(resolveUNetConfig({ ...config, imageSize: size }));
  return plan.outputBlocks.flatMap(({ feature }) => {
    if (!feature) return [];
    const side = size / 2 ** feature.level;
    return [{ name: feature.name, channels: feature.channels, height: side, width: side }];
  });
}
