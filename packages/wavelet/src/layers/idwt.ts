import { ShapeError } from '@sd/core';
import type { Tensor } from '@tensorflow/tfjs-core';
import { serialization, tidy } from '@tensorflow/tfjs-core';
import type { Shape } from '@tensorflow/tfjs-layers';
import { checkInverseSize, type Size } from '../inverse-size';
import { checkInvertible } from '../subbands';
import { packedInverse } from '../transform';
import { imageShape } from './image-shape';
import { inverseOutput } from './inverse-output';
import { singleInput, WaveletLayer, type WaveletLayerArgs } from './wavelet-layer';

export type IDWTArgs = WaveletLayerArgs & {
  /** Height and width of the result, for images whose sizes were odd; by default the largest, which is even. */
  readonly size?: Size;
};

/**
 * `idwt2d` as a layer without weights: `[N, H', W', 4C]`, as from `DWT`, to `[N, H, W, C]`.
 * @throws {ArgumentError} @throws {ShapeError}
 */
export class IDWT extends WaveletLayer {
  static readonly className = 'IDWT';
  readonly #size: Size | undefined;

  constructor(args: IDWTArgs = {}) {
    super(args);
    this.#size = args.size;
  }

  override computeOutputShape(inputShape: Shape | Shape[]): Shape {
    const [n, h, w, c4] = imageShape('IDWT', inputShape);
    if (c4 % 4 !== 0) throw new ShapeError('IDWT', 'input', '[N, H, W, 4C]', [n, h, w, c4]);
    return [n, ...inverseOutput(this.transform, this.#size, h, w), c4 / 4];
  }

  override call(inputs: Tensor | Tensor[]): Tensor {
    const x = singleInput(inputs);
    checkInvertible('IDWT', 'input', x, this.transform);
    const size = checkInverseSize('IDWT', this.#size, this.transform, x.shape[1], x.shape[2]);
    return tidy(() => packedInverse(x, this.transform, size)); // [N, H, W, C]
  }

  override getConfig(): serialization.ConfigDict {
    return { ...super.getConfig(), ...(this.#size ? { size: [...this.#size] } : {}) };
  }
}

serialization.registerClass(IDWT);
