import { type AutoencoderConfig, groupsOf } from '@sd/autoencoder';
import { type StateDict, type TensorView, toFloat32 } from '@sd/checkpoint';
import { Layers } from './layers';
import { OnnxGraph, type OnnxPrecision, type Value } from './onnx-graph';

/** GroupNorm's in LDM's autoencoder; the UNet's is 1e-5. */
const EPS = 1e-6;

export type DecoderGraphOptions = {
  readonly precision?: OnnxPrecision;
  /** What latents of the diffusion model are divided by. */
  readonly scaleFactor: number;
};

/**
 * The decoder of a first stage as an ONNX graph: `latent` `[batch, C, height, width]`, as the diffusion model gives it, to
 * `image` `[batch, 3, H, W]` in [-1, 1]. A VQ first stage looks its codebook up first. @param state in its own names.
 */
export function decoderGraph(config: AutoencoderConfig, state: StateDict, options: DecoderGraphOptions): OnnxGraph {
  return new DecoderGraph(config, state, options).build();
}

class DecoderGraph {
  readonly #graph: OnnxGraph;
  readonly #layers: Layers;

  constructor(
    private readonly config: AutoencoderConfig,
    private readonly state: StateDict,
    private readonly options: DecoderGraphOptions,
  ) {
    this.#graph = new OnnxGraph('decoder', options.precision);
    this.#layers = new Layers(this.#graph, state);
  }

  build(): OnnxGraph {
    const { kind, embedDim, chMult, outCh } = this.config;
    const graph = this.#graph;
    const layers = this.#layers;
    const latent = graph.input('latent', ['batch', embedDim, 'height', 'width']);
    let h = graph.node('Div', [latent, graph.scalar(this.options.scaleFactor)]);
    if (kind === 'vq') h = this.#quantized(h);
    if (this.#has('post_quant_conv')) h = layers.conv('post_quant_conv', h);
    h = layers.conv('decoder.conv_in', h, { pad: 1 });
    h = this.#resBlock('decoder.mid.block_1', h);
    if (this.#has('decoder.mid.attn_1.q')) h = this.#attention('decoder.mid.attn_1', h);
    h = this.#resBlock('decoder.mid.block_2', h);
    for (let level = chMult.length - 1; level >= 0; level--) {
      const name = `decoder.up.${level}`;
      for (let i = 0; this.#has(`${name}.block.${i}.conv1`); i++) {
        h = this.#resBlock(`${name}.block.${i}`, h);
        if (this.#has(`${name}.attn.${i}.q`)) h = this.#attention(`${name}.attn.${i}`, h);
      }
      if (level > 0) h = layers.conv(`${name}.upsample.conv`, layers.doubled(h), { pad: 1 });
    }
    const image = layers.conv('decoder.conv_out', layers.silu(this.#norm('decoder.norm_out', h)), { pad: 1 });
    const clamped = graph.node('Clip', [image, graph.scalar(-1), graph.scalar(1)]);
    graph.output('image', clamped, ['batch', outCh, 'image height', 'image width']);
    return graph;
  }

  #has(layer: string): boolean {
    return this.state.has(`${layer}.weight`);
  }

  /** Nothing where the network has no normalization. */
  #norm(name: string, x: Value): Value {
    const weight = this.state.get(`${name}.weight`);
    if (weight === undefined) return x;
    return this.#layers.groupNorm(name, x, groupsOf(weight.shape[0], this.config.normGroups), EPS);
  }

  #resBlock(name: string, x: Value): Value {
    const layers = this.#layers;
    let h = layers.conv(`${name}.conv1`, layers.silu(this.#norm(`${name}.norm1`, x)), { pad: 1 });
    h = layers.conv(`${name}.conv2`, layers.silu(this.#norm(`${name}.norm2`, h)), { pad: 1 });
    const skip = this.#has(`${name}.nin_shortcut`) ? layers.conv(`${name}.nin_shortcut`, x) : x;
    return this.#graph.node('Add', [skip, h]);
  }

  /** Of one head over all pixels. */
  #attention(name: string, x: Value): Value {
    const graph = this.#graph;
    const layers = this.#layers;
    const h = this.#norm(`${name}.norm`, x);
    const [channels] = (this.state.get(`${name}.q.weight`) as TensorView).shape;
    const tokens = (layer: string) => {
      const flat = graph.node('Reshape', [layers.conv(`${name}.${layer}`, h), graph.shape([0, 1, channels, -1])]);
      return graph.node('Transpose', [flat], { perm: [0, 1, 3, 2] }); // [batch, 1, T, C]
    };
    const attended = layers.attention(tokens('q'), tokens('k'), tokens('v'), channels);
    const columns = graph.node('Transpose', [attended], { perm: [0, 1, 3, 2] });
    const image = graph.node('Reshape', [columns, graph.node('Shape', [x])]);
    return graph.node('Add', [x, layers.conv(`${name}.proj_out`, image)]);
  }

  /** Every vector of the latent replaced by the codebook's nearest: argmin |e|^2 - 2 z . e. */
  #quantized(z: Value): Value {
    const graph = this.#graph;
    const name = 'quantize.embedding.weight';
    const view = this.state.get(name) as TensorView;
    const [count, width] = view.shape;
    const values = toFloat32(view);
    const norms = Float32Array.from({ length: count }, (_, i) =>
      values.subarray(i * width, (i + 1) * width).reduce((sum, value) => sum + value * value, 0),
    );
    const codebook = this.#layers.weight(name);
    const last = graph.node('Transpose', [z], { perm: [0, 2, 3, 1] }); // [batch, height, width, E]
    const rows = graph.node('Reshape', [last, graph.shape([-1, width])]);
    const products = graph.node('MatMul', [rows, graph.node('Transpose', [codebook], { perm: [1, 0] })]);
    const distances = graph.node('Sub', [graph.floats([...norms]), graph.node('Mul', [products, graph.scalar(2)])]);
    const nearest = graph.node('ArgMin', [distances], { axis: 1, keepdims: 0 });
    const found = graph.node('Gather', [codebook, nearest], { axis: 0 });
    const image = graph.node('Reshape', [found, graph.node('Shape', [last])]);
    return graph.node('Transpose', [image], { perm: [0, 3, 1, 2] });
  }
}
