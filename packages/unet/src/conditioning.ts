import type { RandomKey } from '@sd/core';
import type { Module } from '@sd/nn';
import type { Tensor, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';

/** What every layer of a forward pass may see beside its input. All tensors borrowed. */
export type Conditioning = {
  /** SiLU of the time embedding, `[N, timeEmbeddingDim]`, or one row for the whole batch. */
  readonly embedding: Tensor2D;
  /** `[N, tokens, contextDim]`. */
  readonly context?: Tensor3D;
  readonly dropoutKey?: RandomKey;
  /** Keep no intermediate tensors of layers for the backward pass. */
  readonly checkpointing?: boolean;
  /** The layer's name in the state dict. */
  readonly name: string;
  /** Where to leave what the caller asked to see. */
  readonly taps?: Taps;
};

/** Filled during a forward pass: a record is present if it is wanted. */
export type Taps = {
  readonly features?: Record<string, Tensor4D>;
  readonly gates?: Record<string, Tensor>;
};

/** The same conditioning as seen by a part of the current layer. */
export function within(conditioning: Conditioning, part: string): Conditioning {
  return { ...conditioning, name: `${conditioning.name}.${part}` };
}

export type MacOptions = {
  /** Count the matrix products Q K^T and A V, too. */
  readonly attention: boolean;
  /** Tokens of the context. */
  readonly contextLength: number;
};

/** A part of the network that maps one hidden state to the next. */
export type Layer = Module & {
  /** @param x `[N, H, W, C]`. Borrowed. @returns Owned by the caller. */
  forward(x: Tensor4D, conditioning: Conditioning): Tensor4D;
  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number, options: MacOptions): number;
};
