import type { Tensor, Tensor4D } from '@tensorflow/tfjs-core';
import { addN, serialization, split, tidy } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { applyGates } from '../apply-gates';
import { bandLength } from '../band-length';
import { packedTransform } from '../transform';
import { filterLength } from '../wavelet-filters';
import { WGDown as WGDownModule } from '../wg-down';
import { imageShape } from './image-shape';
import { singleInput } from './wavelet-layer';
import { WGLayer, type WGLayerArgs } from './wg-layer';

/**
 * WG-Down as a layer, `[N, H, W, C]` to `[N, H', W', C]`; the module of the same name tells of it. Weights:
 * `gate.0.weight` `[C, gateHidden]`, `gate.2.weight` `[gateHidden, 4C or 4]`, and with `fuse: 'conv'` `fuse.weight`
 * `[1, 1, 4C, C]`, `fuse.bias` `[C]`.
 * @throws {ArgumentError} @throws {ShapeError}
 */
export class WGDown extends WGLayer {
  static readonly className = 'WGDown';

  constructor(args: WGLayerArgs = {}) {
    super(args);
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [n, h, w, c] = imageShape('WGDown', inputShape);
    const { wavelet, mode } = this.transform;
    const halved = (size: number | null) => (size === null ? null : bandLength(size, filterLength(wavelet), mode));
    return [n, halved(h), halved(w), c];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const x = singleInput(inputs);
    return tidy(() => {
      const gated = applyGates(packedTransform(x, this.transform), this.gates(x)); // [N, H', W', 4C]
      return this.options.fuse === 'conv' ? this.fuse(gated) : addN(split(gated, 4, 3) as Tensor4D[]); // [N, H', W', C]
    });
  }

  protected override module(channels: number): WGDownModule {
    return new WGDownModule({ channels, ...this.options });
  }
}

serialization.registerClass(WGDown);
