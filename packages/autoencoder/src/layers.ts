import { Conv2d, GroupNorm, silu, zeros } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { type AutoencoderArchitecture, groupsOf } from './config';
import { downsampleInit, orthogonalInit, upsampleInit } from './init';

/** What the layers of a network need to know of its configuration. */
export type LayerStyle = Pick<AutoencoderArchitecture, 'norm' | 'normGroups' | 'init' | 'dropout'>;

/** GroupNorm's eps everywhere in LDM's autoencoder; the UNet's is 1e-5. */
const NORM_EPS = 1e-6;

/** The normalization before a SiLU (`silu`) or an attention, with the SiLU in it; nothing where `norm` is none. */
export function norm(channels: number, { norm, normGroups }: LayerStyle, silu: boolean): GroupNorm | undefined {
  if (norm === 'none') return undefined;
  return new GroupNorm({ channels, groups: groupsOf(channels, normGroups), eps: NORM_EPS, silu });
}

/** SiLU after the normalization, if there is one. @param x borrowed. @returns owned by the caller. */
export function normSilu(norm: GroupNorm | undefined, x: Tensor4D): Tensor4D {
  return norm ? norm.forward(x) : silu(x);
}

type Channels = { readonly inChannels: number; readonly outChannels: number };

/** A convolution of the trunk, with nothing beside it that carries the signal past it. */
export function trunkConv({ inChannels, outChannels }: Channels, kernel: 1 | 3, { init }: LayerStyle): Conv2d {
  const config = { inChannels, outChannels, kernel, pad: (kernel - 1) / 2 };
  return new Conv2d(init === 'linear' ? { ...config, init: orthogonalInit(outChannels, inChannels, kernel) } : config);
}

/** The last convolution of a residual branch. */
export function branchEnd(channels: number, { init }: LayerStyle): Conv2d {
  const config = { inChannels: channels, outChannels: channels, kernel: 3, pad: 1 };
  return new Conv2d(init === 'linear' ? { ...config, init: zeros } : config);
}

/** The convolution of a `Downsample`: padded at the bottom and at the right only. */
export function downsampleConv(channels: number, { init }: LayerStyle): Conv2d {
  const pad = { top: 0, bottom: 1, left: 0, right: 1 };
  const config = { inChannels: channels, outChannels: channels, kernel: 3, stride: 2, pad };
  return new Conv2d(init === 'linear' ? { ...config, init: downsampleInit(channels) } : config);
}

/** The convolution of an `Upsample`. */
export function upsampleConv(channels: number, { init }: LayerStyle): Conv2d {
  const config = { inChannels: channels, outChannels: channels, kernel: 3, pad: 1 };
  return new Conv2d(init === 'linear' ? { ...config, init: upsampleInit(channels) } : config);
}
