import {
  ATTENTION_GRAD_KERNEL,
  ATTENTION_KERNEL,
  SELF_ATTENTION_GRAD_KERNEL,
  SELF_ATTENTION_KERNEL,
  type SelfAttentionAttributes,
} from '@sd/nn';
import type { WebGPUBackend } from '@tensorflow/tfjs-backend-webgpu';
import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { WebGPUKernel } from '../program';
import type { Attended, Result } from './attended';
import { matrixAttention, matrixAttentionGradients, suitsMatrixUnits } from './matrix-attention';
import { plainAttention, plainAttentionGradients } from './plain-attention';
import { packed, type Rows, type RowsLayout, separate } from './rows';

type Names = 'q' | 'k' | 'v' | 'y' | 'dy';

const forward = (backend: WebGPUBackend, attended: Attended, result: Result) =>
  suitsMatrixUnits(backend.device, attended)
    ? matrixAttention(backend, attended, result)
    : plainAttention(backend, attended, result);

const separateRows = (tensor: TensorInfo): Rows => ({ tensor, ...separate(tensor.shape) });
const separateResult = (shape: readonly number[]): Result => ({ shape, layout: separate(shape) });

/** {q `[N, heads, T, D]`, k `[N, heads, S, D]`, v `[N, heads, S, E]`} -> y `[N, heads, T, E]`, in one dispatch. */
export const attention: WebGPUKernel = {
  kernelName: ATTENTION_KERNEL,
  run: ({ inputs, backend }) => {
    const { q, k, v } = inputs as Readonly<Record<Names, TensorInfo>>;
    const [images, heads, t] = q.shape as [number, number, number];
    const rows = { q: separateRows(q), k: separateRows(k), v: separateRows(v) };
    const shape = [images, heads, t, v.shape[3] as number];
    return forward(backend, { pairs: { images, heads }, ...rows }, separateResult(shape));
  },
};

/** {q, k, v, y, dy} -> [dq, dk, dv] */
export const attentionGrad: WebGPUKernel = {
  kernelName: ATTENTION_GRAD_KERNEL,
  run: ({ inputs, backend }) => {
    const { q, k, v, y, dy } = inputs as Readonly<Record<Names, TensorInfo>>;
    const [images, heads] = q.shape as [number, number];
    const [qs, ks, vs, ys, dys] = [q, k, v, y, dy].map(separateRows) as [Rows, Rows, Rows, Rows, Rows];
    const attended = { pairs: { images, heads }, q: qs, k: ks, v: vs, y: ys, dy: dys };
    const results = [q, k, v].map(({ shape }) => separateResult(shape)) as [Result, Result, Result];
    const [dq, dk, dv] = results;
    return suitsMatrixUnits(backend.device, attended)
      ? matrixAttentionGradients(backend, attended, { dq, dk, dv })
      : plainAttentionGradients(backend, attended, results);
  },
};

/** q, k and v of `[N, T, heads 3 D]`. */
function packedRows(qkv: TensorInfo, { heads }: SelfAttentionAttributes) {
  const [images, t, width] = qkv.shape as [number, number, number];
  const d = width / (3 * heads);
  const part = (i: number): Rows => ({ tensor: qkv, ...packed(t, heads, d, i, 3) });
  const joined: Result = { shape: [images, t, heads * d], layout: packed(t, heads, d) };
  return { attended: { pairs: { images, heads }, q: part(0), k: part(1), v: part(2) }, joined };
}

/** {qkv `[N, T, heads 3 D]`} with {heads} -> y `[N, T, heads D]`, in one dispatch. */
export const selfAttention: WebGPUKernel = {
  kernelName: SELF_ATTENTION_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { attended, joined } = packedRows(inputs.qkv as TensorInfo, attrs as SelfAttentionAttributes);
    return forward(backend, attended, joined);
  },
};

/** {qkv, y, dy} with {heads} -> dq `[N, T, heads D]`, and dk and dv, together or apart. */
export const selfAttentionGrad: WebGPUKernel = {
  kernelName: SELF_ATTENTION_GRAD_KERNEL,
  run: ({ inputs, attrs, backend }) => {
    const { qkv, y, dy } = inputs as Readonly<Record<'qkv' | 'y' | 'dy', TensorInfo>>;
    const { attended, joined } = packedRows(qkv, attrs as SelfAttentionAttributes);
    const rows = { y: { tensor: y, ...joined.layout }, dy: { tensor: dy, ...joined.layout } };
    const all = { ...attended, ...rows };
    if (!suitsMatrixUnits(backend.device, all)) return plainAttentionGradients(backend, all, [joined, joined, joined]);
    const { heads } = attrs as SelfAttentionAttributes;
    const { count, columns } = all.q;
    const [dk, dv] = [0, 1].map((part) => packed(count, heads, columns, part, 2)) as [RowsLayout, RowsLayout];
    const shape = [qkv.shape[0] as number, count, heads * 2 * columns];
    return matrixAttentionGradients(backend, all, { dq: joined, shape, dk, dv });
  },
};
