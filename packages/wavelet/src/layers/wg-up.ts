import type { Tensor } from '@tensorflow/tfjs-core';
import { serialization, tidy } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { applyGates } from '../apply-gates';
import { checkInverseSize, type Size } from '../inverse-size';
import { checkInvertible } from '../subbands';
import { packedInverse } from '../transform';
import { WGUp as WGUpModule } from '../wg-up';
import { imageShape } from './image-shape';
import { inverseOutput } from './inverse-output';
import { singleInput } from './wavelet-layer';
import { WGLayer, type WGLayerArgs } from './wg-layer';

export type WGUpArgs = WGLayerArgs & {
  /** Height and width of the result, where WGDown halved odd ones; by default the largest, which are even. */
  readonly size?: Size;
};

/**
 * WG-Up as a layer, `[N, H', W', C]` to `[N, H, W, C]`; the module of the same name tells of it. Weights: `gate.0.weight`
 * `[C, gateHidden]`, `gate.2.weight` `[gateHidden, C or 4]`, `fuse.weight` `[1, 1, C/4, C]`, `fuse.bias` `[C]`.
 * @throws {ArgumentError} @throws {ShapeError}
 */
export class WGUp extends WGLayer {
  static readonly className = 'WGUp';
  readonly #size: Size | undefined;

  constructor(args: WGUpArgs = {}) {
    super(args);
    this.#size = args.size;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [n, h, w, c] = imageShape('WGUp', inputShape);
    return [n, ...inverseOutput(this.transform, this.#size, h, w), c];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const x = singleInput(inputs);
    checkInvertible('WGUp', 'input', x, this.transform);
    const size = checkInverseSize('WGUp', this.#size, this.transform, x.shape[1], x.shape[2]);
    return tidy(() => this.fuse(packedInverse(applyGates(x, this.gates(x)), this.transform, size))); // [N, H, W, C]
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...(this.#size ? { size: [...this.#size] } : {}) };
  }

  protected override module(channels: number): WGUpModule {
    return new WGUpModule({ channels, ...this.options });
  }
}

serialization.registerClass(WGUp);
