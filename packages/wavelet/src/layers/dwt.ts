import type { Tensor } from '@tensorflow/tfjs-core';
import { serialization, tidy } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { bandLength } from '../band-length';
import { packedTransform } from '../transform';
import { filterLength } from '../wavelet-filters';
import { imageShape } from './image-shape';
import { singleInput, WaveletLayer, type WaveletLayerArgs } from './wavelet-layer';

/**
 * `dwt2d` as a layer without weights: `[N, H, W, C]` to `[N, H', W', 4C]`, the channels of LL, LH, HL, HH in turn.
 * @throws {ArgumentError} @throws {ShapeError}
 */
export class DWT extends WaveletLayer {
  static readonly className = 'DWT';

  constructor(args: WaveletLayerArgs = {}) {
    super(args);
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [n, h, w, c] = imageShape('DWT', inputShape);
    const { wavelet, mode } = this.transform;
    const halved = (size: number | null) => (size === null ? null : bandLength(size, filterLength(wavelet), mode));
    return [n, halved(h), halved(w), 4 * c];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    return tidy(() => packedTransform(singleInput(inputs), this.transform)); // [N, H', W', 4C]
  }
}

serialization.registerClass(DWT);
