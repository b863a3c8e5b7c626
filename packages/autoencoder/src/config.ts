/**
 * Shape of a first stage: LDM's `ddconfig` and `embed_dim` in camelCase. Plain data, the same after a trip through JSON.
 */
export type AutoencoderArchitecture = {
  /** Width of the finest level. */
  readonly ch: number;
  /** Width multiplier of each level, the finest first; the latent is 2^(levels - 1) times smaller than the image. */
  readonly chMult: readonly number[];
  /** Residual blocks per level of the encoder; the decoder has one more. */
  readonly numResBlocks: number;
  /** Sizes in pixels (not downsample factors), for images of `resolution`, at which every block gets an attention. */
  readonly attnResolutions: readonly number[];
  /** `none` leaves out every attention, the one of the middle included (LDM's vq-f4-noattn). */
  readonly attnType: 'vanilla' | 'none';
  readonly inChannels: number;
  readonly outCh: number;
  /** Height and width of the training images. Only decides where attention goes: other sizes can be encoded. */
  readonly resolution: number;
  /** Channels between the encoder or decoder and the 1x1 convolution around the latent. */
  readonly zChannels: number;
  /** Does the encoder give a mean and a log-variance? True for KL, false for VQ. */
  readonly doubleZ: boolean;
  /** Rate in [0, 1), used in training only. */
  readonly dropout: number;
  /** Channels of the latent. */
  readonly embedDim: number;
  /**
   * `group` is LDM's normalization before every activation. `none` leaves it out ([O]): normalization erases an image's
   * brightness and contrast, which a short training does not win back.
   */
  readonly norm: 'group' | 'none';
  /** Groups of the group normalizations: 32 in LDM. A width that it does not divide gets `groupsOf` it. */
  readonly normGroups: number;
  /**
   * How the parameters start: `torch` with PyTorch's defaults, as LDM's; `linear` ([O]) as a nearly linear map, residual
   * branches at 0, resampling by mean and copy, the other convolutions orthogonal.
   */
  readonly init: 'torch' | 'linear';
  /** A diffusion model sees (z - shiftFactor) scaleFactor. Only kept here, as diffusers' files do: nothing applies it. */
  readonly scaleFactor?: number;
  readonly shiftFactor?: number;
};

/** A first stage with a Gaussian posterior. */
export type AutoencoderKLConfig = AutoencoderArchitecture & {
  readonly kind: 'kl';
  readonly doubleZ: true;
  /**
   * Are there 1x1 convolutions around the latent? True by default and in LDM; the first stages of Stable Diffusion 3 and
   * FLUX.1 have none, and zChannels and embedDim are the same there.
   */
  readonly quantConv?: boolean;
};

/** A first stage with a codebook. */
export type VQModelConfig = AutoencoderArchitecture & {
  readonly kind: 'vq';
  readonly doubleZ: false;
  /** Entries of the codebook. */
  readonly nEmbed: number;
  /** Weight of one part of the codebook's loss, 0.25 in LDM: of which, `legacyBeta` tells. */
  readonly beta: number;
  /**
   * True by default and in LDM: beta weighs the term that moves the codebook. False, as the VQ-VAE's paper has it: beta
   * weighs the term that moves the encoder.
   */
  readonly legacyBeta?: boolean;
};

export type AutoencoderConfig = AutoencoderKLConfig | VQModelConfig;

/** How many times smaller than the image the latent is, in height and in width. */
export function downsampleFactor({ chMult }: Pick<AutoencoderArchitecture, 'chMult'>): number {
  return 2 ** (chMult.length - 1);
}

/** Groups for a layer of this width: the greatest common divisor of the width and `normGroups`. */
export function groupsOf(channels: number, normGroups: number): number {
  let [a, b] = [channels, normGroups];
  while (b > 0) [a, b] = [b, a % b];
  return a;
}
