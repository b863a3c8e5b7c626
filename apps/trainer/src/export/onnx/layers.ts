import { type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { ArgumentError } from '@sd/core';
import type { OnnxGraph, Value } from './onnx-graph';

export type ConvOptions = {
  /** On all sides. */
  readonly pad?: number;
  /** Top, left, bottom, right. */
  readonly pads?: readonly number[];
  readonly stride?: number;
};

/** Layers of the models as ONNX operators, by the names of their weights in the state dict. NCHW. */
export class Layers {
  constructor(
    private readonly graph: OnnxGraph,
    private readonly state: StateDict,
  ) {}

  /** A weight of the state dict as it is. */
  weight(name: string, shape?: readonly number[]): Value {
    return this.graph.weight(name, this.#view(name), shape);
  }

  /** A convolution; a 1-D one of width 1 and a linear layer are convolutions of 1 x 1. */
  conv(name: string, x: Value, { pad = 0, pads = [pad, pad, pad, pad], stride = 1 }: ConvOptions = {}): Value {
    const { shape } = this.#view(`${name}.weight`);
    const [out, input, height = 1, width = 1] = shape;
    const inputs = [x, this.weight(`${name}.weight`, [out, input, height, width])];
    if (this.state.has(`${name}.bias`)) inputs.push(this.weight(`${name}.bias`));
    return this.graph.node('Conv', inputs, { kernel_shape: [height, width], pads, strides: [stride, stride] });
  }

  /** A linear map of the last axis. */
  linear(name: string, x: Value): Value {
    const { graph } = this;
    const view = this.#view(`${name}.weight`);
    const [out, input] = view.shape;
    const weight = graph.values(`${name}.weight`, transposed(toFloat32(view), out, input), [input, out]);
    const y = graph.node('MatMul', [x, weight]);
    return this.state.has(`${name}.bias`) ? graph.node('Add', [y, this.weight(`${name}.bias`)]) : y;
  }

  /** Group normalization by that of instances: the operator of its own came later, and changed its meaning. */
  groupNorm(name: string, x: Value, groups: number, eps: number): Value {
    const { graph } = this;
    const [channels] = this.#view(`${name}.weight`).shape;
    const grouped = graph.node('Reshape', [x, graph.shape([0, groups, -1])]);
    const ones = graph.floats(new Array<number>(groups).fill(1));
    const zeros = graph.floats(new Array<number>(groups).fill(0));
    const normalized = graph.node('InstanceNormalization', [grouped, ones, zeros], { epsilon: { float: eps } });
    const image = graph.node('Reshape', [normalized, graph.node('Shape', [x])]);
    const scaled = graph.node('Mul', [image, this.weight(`${name}.weight`, [channels, 1, 1])]);
    return graph.node('Add', [scaled, this.weight(`${name}.bias`, [channels, 1, 1])]);
  }

  layerNorm(name: string, x: Value): Value {
    const inputs = [x, this.weight(`${name}.weight`), this.weight(`${name}.bias`)];
    return this.graph.node('LayerNormalization', inputs, { axis: -1, epsilon: { float: 1e-5 } });
  }

  silu(x: Value): Value {
    return this.graph.node('Mul', [x, this.graph.node('Sigmoid', [x])]);
  }

  /** x Phi(x), exact. */
  gelu(x: Value): Value {
    const { graph } = this;
    const erf = graph.node('Erf', [graph.node('Mul', [x, graph.scalar(Math.SQRT1_2)])]);
    return graph.node('Mul', [graph.node('Mul', [x, graph.scalar(0.5)]), graph.node('Add', [erf, graph.scalar(1)])]);
  }

  /** softmax(q k^T / sqrt(D)) v of `[batch, heads, T, D]`. */
  attention(q: Value, k: Value, v: Value, width: number): Value {
    const { graph } = this;
    const keys = graph.node('Transpose', [k], { perm: [0, 1, 3, 2] });
    const scaled = graph.node('Mul', [graph.node('MatMul', [q, keys]), graph.scalar(width ** -0.5)]);
    return graph.node('MatMul', [graph.node('Softmax', [scaled], { axis: -1 }), v]);
  }

  /** Attention of tokens `[batch, T, C]` to a context `[batch, S, width]`. */
  crossAttention(name: string, x: Value, context: Value, heads: number, channels: number): Value {
    const { graph } = this;
    const width = channels / heads;
    const split = (part: string, from: Value) => {
      const rows = graph.node('Reshape', [this.linear(`${name}.${part}`, from), graph.shape([0, -1, heads, width])]);
      return graph.node('Transpose', [rows], { perm: [0, 2, 1, 3] }); // [batch, heads, T, D]
    };
    const attended = this.attention(split('to_q', x), split('to_k', context), split('to_v', context), width);
    const rows = graph.node('Transpose', [attended], { perm: [0, 2, 1, 3] });
    return this.linear(`${name}.to_out.0`, graph.node('Reshape', [rows, graph.shape([0, -1, channels])]));
  }

  /** Every pixel twice in each direction. */
  doubled(x: Value): Value {
    const { graph } = this;
    return graph.node('Resize', [x, '', graph.floats([1, 1, 2, 2])], {
      mode: 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    });
  }

  /** One level of the orthonormal Haar DWT: `[batch, C, H, W]` to LL, LH, HL, HH, `[batch, 4 C, H/2, W/2]`. */
  haar(x: Value): Value {
    const blocks = this.graph.node('SpaceToDepth', [x], { blocksize: 2 }); // a, b, c, d of every block, C each
    return this.#butterfly(blocks);
  }

  /** Its inverse: `[batch, 4 C, H, W]` to `[batch, C, 2 H, 2 W]`. */
  inverseHaar(bands: Value): Value {
    return this.graph.node('DepthToSpace', [this.#butterfly(bands)], { blocksize: 2, mode: 'DCR' });
  }

  /** The Haar matrix of a block is symmetric and its own inverse. */
  #butterfly(x: Value): Value {
    const { graph } = this;
    const [a, b, c, d] = graph.nodes('Split', [x], 4, { axis: 1 });
    const sums = [graph.node('Add', [a, b]), graph.node('Add', [c, d])];
    const differences = [graph.node('Sub', [a, b]), graph.node('Sub', [c, d])];
    const all = [
      graph.node('Add', sums), // a + b + c + d
      graph.node('Sub', sums), // a + b - c - d
      graph.node('Add', differences), // a - b + c - d
      graph.node('Sub', differences), // a - b - c + d
    ];
    return graph.node('Mul', [graph.node('Concat', all, { axis: 1 }), graph.scalar(0.5)]);
  }

  #view(name: string): TensorView {
    const view = this.state.get(name);
    if (view === undefined)
      throw new ArgumentError('Layers', 'state', `a state dict with ${name}`, [...this.state.keys()]);
    return view;
  }
}

/** `[rows, columns]` to `[columns, rows]`. */
function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) result[c * rows + r] = values[r * columns + c];
  return result;
}
