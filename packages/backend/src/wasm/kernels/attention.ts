import type { TensorInfo } from '@tensorflow/tfjs-core';
import { assertFloat32 } from '../composed/conv-geometry';
import { addressOf, type NativeLibrary, WORTH_SHARING } from '../native/library';
import { nativeKernel } from '../wasm-kernel';

// Kernels of the package nn (attention.ts, self-attention.ts), by name as those of fused.ts.

/** Queries at a time, as in assembly/attention.ts. */
const QUERIES = 128;

type Sizes = {
  readonly images: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly depth: number;
  readonly width: number;
};

/** Distances of neighboring tokens, heads and images in bytes. */
type Steps = readonly [row: number, head: number, image: number];
type Layout = { readonly y: Steps; readonly q: Steps; readonly k: Steps; readonly v: Steps };

/** `[N, heads, T, D]` */
const apart = (heads: number, tokens: number, depth: number): Steps => [
  4 * depth,
  4 * depth * tokens,
  4 * depth * tokens * heads,
];

/** `[N, T, heads D]`, D of each head's `of` numbers */
const together = (heads: number, tokens: number, of: number): Steps => [
  4 * heads * of,
  4 * of,
  4 * heads * of * tokens,
];

function numbersOf({ heads, queries, keys, depth, width }: Sizes, { y, q, k, v }: Layout): number[] {
  return [heads, queries, keys, depth, width, depth ** -0.5, ...y, ...q, ...k, ...v];
}

/** Runs `attention` of assembly/attention.ts. @param addresses of y, q, k, v */
function attend(native: NativeLibrary, addresses: readonly number[], sizes: Sizes, layout: Layout): void {
  const { images, heads, queries, keys, depth, width } = sizes;
  const blocks = images * heads * Math.ceil(queries / QUERIES);
  const parts = native.parts(blocks, 1, WORTH_SHARING / (Math.min(QUERIES, queries) * keys * (depth + width)));
  const room = 4 * (keys * (depth + width + 15) + 11 * depth + 8);
  native.withMemory(parts.length * room, (rooms) => {
    const numbers = [...addresses, ...numbersOf(sizes, layout)];
    native.run(
      'attention',
      parts.map((part, i) => [...numbers, ...part, rooms + i * room]),
    );
  });
}

/** Runs `attentionGradient`. @param addresses of dq, dk, dv, q, k, v, y, dy */
function attendBack(native: NativeLibrary, addresses: readonly number[], sizes: Sizes, layout: Layout): void {
  const { images, heads, queries, keys, depth, width } = sizes;
  const parts = native.parts(images * heads, 1, WORTH_SHARING / (queries * keys * (3 * depth + 2 * width)));
  const room = 2 * 4 * QUERIES * (keys + 31);
  native.withMemory(parts.length * room, (rooms) => {
    const numbers = [...addresses, ...numbersOf(sizes, layout)];
    native.run(
      'attentionGradient',
      parts.map((part, i) => [...numbers, ...part, rooms + i * room]),
    );
  });
}

function sizesApart(q: TensorInfo, v: TensorInfo): { readonly sizes: Sizes; readonly layout: Layout } {
  const [images, heads, queries, depth] = q.shape as [number, number, number, number];
  const [, , keys, width] = v.shape as [number, number, number, number];
  const layout = {
    y: apart(heads, queries, width),
    q: apart(heads, queries, depth),
    k: apart(heads, keys, depth),
    v: apart(heads, keys, width),
  };
  return { sizes: { images, heads, queries, keys, depth, width }, layout };
}

function sizesTogether(qkv: TensorInfo, heads: number): { readonly sizes: Sizes; readonly layout: Layout } {
  const [images, tokens, numbers] = qkv.shape as [number, number, number];
  const depth = numbers / (3 * heads);
  const part = together(heads, tokens, 3 * depth);
  const layout = { y: together(heads, tokens, depth), q: part, k: part, v: part };
  return { sizes: { images, heads, queries: tokens, keys: tokens, depth, width: depth }, layout };
}

/** Addresses of q, k and v in `[N, T, heads 3 D]`. */
const partsAt = (address: number, { depth }: Sizes) => [0, 1, 2].map((part) => address + 4 * depth * part);

/** {q `[N, heads, T, D]`, k `[N, heads, S, D]`, v `[N, heads, S, E]`} -> [y `[N, heads, T, E]`] */
export const attention = nativeKernel('ScaledDotProductAttention', ({ inputs, backend, native }): TensorInfo[] => {
  const { q, k, v } = inputs as Record<'q' | 'k' | 'v', TensorInfo>;
  assertFloat32('ScaledDotProductAttention', { q, k, v });
  const { sizes, layout } = sizesApart(q, v);
  const y = backend.makeOutput([...q.shape.slice(0, 3), sizes.width], 'float32');
  const addresses = [y, q, k, v].map((tensor) => addressOf(backend, tensor));
  attend(native, addresses, sizes, layout);
  return [y];
});

/** {q, k, v, y, dy} -> [dq, dk, dv] */
export const attentionGrad = nativeKernel('ScaledDotProductAttentionGrad', ({ inputs, backend, native }) => {
  const { q, k, v, y, dy } = inputs as Record<'q' | 'k' | 'v' | 'y' | 'dy', TensorInfo>;
  assertFloat32('ScaledDotProductAttentionGrad', { q, k, v, y, dy });
  const { sizes, layout } = sizesApart(q, v);
  const outputs = [q, k, v].map(({ shape }) => backend.makeOutput(shape, 'float32'));
  const addresses = [...outputs, q, k, v, y, dy].map((tensor) => addressOf(backend, tensor));
  attendBack(native, addresses, sizes, layout);
  return outputs;
});

/** {qkv `[N, T, heads 3 D]`} with {heads} -> [y `[N, T, heads D]`] */
export const selfAttention = nativeKernel('SelfAttention', ({ inputs, attrs, backend, native }): TensorInfo[] => {
  const { qkv } = inputs as { qkv: TensorInfo };
  assertFloat32('SelfAttention', { qkv });
  const { sizes, layout } = sizesTogether(qkv, attrs.heads as number);
  const y = backend.makeOutput([sizes.images, sizes.queries, sizes.heads * sizes.depth], 'float32');
  attend(native, [addressOf(backend, y), ...partsAt(addressOf(backend, qkv), sizes)], sizes, layout);
  return [y];
});

/** {qkv, y, dy} with {heads} -> the gradient of qkv, in one part */
export const selfAttentionGrad = nativeKernel('SelfAttentionGrad', ({ inputs, attrs, backend, native }) => {
  const { qkv, y, dy } = inputs as Record<'qkv' | 'y' | 'dy', TensorInfo>;
  assertFloat32('SelfAttentionGrad', { qkv, y, dy });
  const { sizes, layout } = sizesTogether(qkv, attrs.heads as number);
  const dqkv = backend.makeOutput(qkv.shape, 'float32');
  const parts = [dqkv, qkv].flatMap((tensor) => partsAt(addressOf(backend, tensor), sizes));
  attendBack(native, [...parts, addressOf(backend, y), addressOf(backend, dy)], sizes, layout);
  return [dqkv];
});
