import type { StateDict } from '@sd/checkpoint';
import { type BlockPlan, type LayerPlan, planUNet, type ResolvedUNetConfig } from '@sd/unet';
import { UserError } from '../../user-error';
import { Layers } from './layers';
import { OnnxGraph, type OnnxPrecision, type Value } from './onnx-graph';

export type UNetGraphOptions = {
  readonly precision?: OnnxPrecision;
  /** Also give the gate values of every wavelet-gated module. Default false. */
  readonly gates?: boolean;
};

type Condition = { readonly embedding: Value; readonly context: Value | undefined };

/**
 * A UNet as an ONNX graph, NCHW as the standard has it: `sample` `[batch, C, height, width]`, `timestep` `[batch]` and, where
 * the model has them, `encoder_hidden_states` `[batch, tokens, width]` and `class_labels` `[batch]` give `out_sample`.
 * Batch, height and width are free. @param state in the UNet's own names.
 * @throws {UserError} on what has no form here: wavelets but Haar's, and other class embeddings than of an index.
 */
export function unetGraph(config: ResolvedUNetConfig, state: StateDict, options: UNetGraphOptions = {}): OnnxGraph {
  return new UNetGraph(config, state, options).build();
}

class UNetGraph {
  readonly #graph: OnnxGraph;
  readonly #layers: Layers;
  readonly #gates = new Map<string, Value>();

  constructor(
    private readonly config: ResolvedUNetConfig,
    private readonly state: StateDict,
    private readonly options: UNetGraphOptions,
  ) {
    const { resample, wavelet, classEmbedding } = config;
    if (resample === 'wavelet' && wavelet.wavelet !== 'haar' && wavelet.wavelet !== 'db1') {
      throw new UserError(`export: ONNX of wavelet ${wavelet.wavelet} is not supported, of haar alone`);
    }
    if (classEmbedding !== 'none' && classEmbedding !== 'index') {
      throw new UserError(`export: ONNX of class embedding '${classEmbedding}' is not supported, of 'index' alone`);
    }
    this.#graph = new OnnxGraph('unet', options.precision);
    this.#layers = new Layers(this.#graph, state);
  }

  build(): OnnxGraph {
    const { inChannels, outChannels, contextDim, centerInput, normEps } = this.config;
    const graph = this.#graph;
    const layers = this.#layers;
    const plan = planUNet(this.config);
    let h = graph.input('sample', ['batch', inChannels, 'height', 'width']);
    const timestep = graph.input('timestep', ['batch']);
    const context =
      contextDim === undefined ? undefined : graph.input('encoder_hidden_states', ['batch', 'tokens', contextDim]);
    const condition = { embedding: this.#embedding(timestep), context };
    if (centerInput) h = graph.node('Sub', [graph.node('Mul', [h, graph.scalar(2)]), graph.scalar(1)]);
    const skips: Value[] = [];
    for (const [i, block] of plan.inputBlocks.entries()) {
      h = this.#block(`input_blocks.${i}`, block, h, condition);
      skips.push(h);
    }
    h = this.#block('middle_block', plan.middleBlock, h, condition);
    for (const [i, block] of plan.outputBlocks.entries()) {
      const joined = graph.node('Concat', [h, skips.pop() as Value], { axis: 1 });
      h = this.#block(`output_blocks.${i}`, block, joined, condition);
    }
    const activated = layers.silu(layers.groupNorm('out.0', h, plan.outGroups, normEps));
    const output = layers.conv('out.2', activated, { pad: 1 });
    graph.output('out_sample', output, ['batch', outChannels, 'height', 'width']);
    if (this.options.gates) {
      for (const [name, value] of this.#gates) {
        const [count] = this.state.get(`${name}.gate.2.weight`)?.shape ?? [];
        graph.output(`gates.${name}`, value, ['batch', count, 1, 1]);
      }
    }
    return graph;
  }

  /** SiLU of the time embedding, `[batch, timeEmbeddingDim]`, the label's included. */
  #embedding(timestep: Value): Value {
    const { modelChannels, flipSinToCos, freqShift, classEmbedding } = this.config;
    const graph = this.#graph;
    const layers = this.#layers;
    const half = Math.floor(modelChannels / 2);
    const column = graph.node('Reshape', [timestep, graph.shape([-1, 1])]);
    const angles = graph.node('Mul', [column, graph.floats([...frequencies(half, freqShift)])]);
    const parts = [graph.node('Cos', [angles]), graph.node('Sin', [angles])];
    if (!flipSinToCos) parts.reverse();
    if (modelChannels % 2 === 1) parts.push(graph.node('Mul', [column, graph.scalar(0)]));
    const times = graph.node('Concat', parts, { axis: 1 });
    let embedding = layers.linear('time_embed.2', layers.silu(layers.linear('time_embed.0', times)));
    if (classEmbedding === 'index') {
      const labels = graph.input('class_labels', ['batch'], 'int64');
      const rows = graph.node('Gather', [layers.weight('label_emb.weight'), labels], { axis: 0 });
      embedding = graph.node('Add', [embedding, rows]);
    }
    return layers.silu(embedding);
  }

  #block(name: string, { layers }: BlockPlan, x: Value, condition: Condition): Value {
    return layers.reduce((h, layer, i) => this.#layer(`${name}.${i}`, layer, h, condition), x);
  }

  #layer(name: string, plan: LayerPlan, x: Value, condition: Condition): Value {
    switch (plan.kind) {
      case 'conv':
        return this.#layers.conv(name, x, { pad: 1 });
      case 'res':
        return this.#resBlock(name, plan, x, condition.embedding);
      case 'attention':
        return this.#attention(name, plan, x);
      case 'transformer':
        return this.#transformer(name, plan, x, condition.context as Value);
      default:
        return this.#resampled(name, plan.kind, x);
    }
  }

  #resBlock(name: string, plan: LayerPlan & { readonly kind: 'res' }, x: Value, embedding: Value): Value {
    const { useScaleShiftNorm, normEps } = this.config;
    const layers = this.#layers;
    const graph = this.#graph;
    const { inGroups, outGroups, outputScale, resample } = plan;
    let h = layers.silu(layers.groupNorm(`${name}.in_layers.0`, x, inGroups, normEps));
    let residual = x;
    if (resample) {
      h = this.#innerResampled(`${name}.h_upd`, resample, h);
      residual = this.#innerResampled(`${name}.x_upd`, resample, x);
    }
    h = layers.conv(`${name}.in_layers.2`, h, { pad: 1 });
    const projected = graph.node('Reshape', [
      layers.linear(`${name}.emb_layers.1`, embedding),
      graph.shape([0, -1, 1, 1]), // [batch, C, 1, 1]
    ]);
    if (useScaleShiftNorm) {
      const [scale, shift] = graph.nodes('Split', [projected], 2, { axis: 1 });
      const normalized = layers.groupNorm(`${name}.out_layers.0`, h, outGroups, normEps);
      const scaled = graph.node('Mul', [normalized, graph.node('Add', [scale, graph.scalar(1)])]);
      h = layers.silu(graph.node('Add', [scaled, shift]));
    } else {
      const moved = graph.node('Add', [h, projected]);
      h = layers.silu(layers.groupNorm(`${name}.out_layers.0`, moved, outGroups, normEps));
    }
    h = layers.conv(`${name}.out_layers.3`, h, { pad: 1 });
    const hasSkip = this.state.has(`${name}.skip_connection.weight`);
    return this.#scaled(
      graph.node('Add', [hasSkip ? layers.conv(`${name}.skip_connection`, residual) : residual, h]),
      outputScale,
    );
  }

  #scaled(x: Value, outputScale: number): Value {
    return outputScale === 1 ? x : this.#graph.node('Div', [x, this.#graph.scalar(outputScale)]);
  }

  /** The channels of qkv are ordered per head, [q, k, v] of the first head first. */
  #attention(name: string, plan: LayerPlan & { readonly kind: 'attention' }, x: Value): Value {
    const { channels, heads, groups, outputScale } = plan;
    const graph = this.#graph;
    const layers = this.#layers;
    const normalized = groups === 'none' ? x : layers.groupNorm(`${name}.norm`, x, groups, this.config.normEps);
    const width = channels / heads;
    const qkv = graph.node('Reshape', [layers.conv(`${name}.qkv`, normalized), graph.shape([0, heads, 3 * width, -1])]);
    const parts = graph.nodes('Split', [qkv], 3, { axis: 2 }); // [batch, heads, D, T] each
    const [q, k, v] = parts.map((part) => graph.node('Transpose', [part], { perm: [0, 1, 3, 2] }));
    const attended = layers.attention(q, k, v, width); // [batch, heads, T, D]
    const columns = graph.node('Transpose', [attended], { perm: [0, 1, 3, 2] });
    const image = graph.node('Reshape', [columns, graph.node('Shape', [x])]);
    return this.#scaled(graph.node('Add', [x, layers.conv(`${name}.proj_out`, image)]), outputScale);
  }

  #transformer(name: string, plan: LayerPlan & { readonly kind: 'transformer' }, x: Value, context: Value): Value {
    const { channels, heads, groups, depth, onlyCrossAttention } = plan;
    const graph = this.#graph;
    const layers = this.#layers;
    const projected = layers.conv(`${name}.proj_in`, layers.groupNorm(`${name}.norm`, x, groups, 1e-6));
    const flat = graph.node('Reshape', [projected, graph.shape([0, channels, -1])]);
    let tokens = graph.node('Transpose', [flat], { perm: [0, 2, 1] }); // [batch, T, C]
    for (let i = 0; i < depth; i++) {
      const block = `${name}.transformer_blocks.${i}`;
      const own = layers.layerNorm(`${block}.norm1`, tokens);
      const first = layers.crossAttention(`${block}.attn1`, own, onlyCrossAttention ? context : own, heads, channels);
      tokens = graph.node('Add', [tokens, first]);
      const asked = layers.layerNorm(`${block}.norm2`, tokens);
      tokens = graph.node('Add', [tokens, layers.crossAttention(`${block}.attn2`, asked, context, heads, channels)]);
      const hidden = layers.linear(`${block}.ff.net.0.proj`, layers.layerNorm(`${block}.norm3`, tokens));
      const [value, gate] = graph.nodes('Split', [hidden], 2, { axis: 2 });
      const fed = layers.linear(`${block}.ff.net.2`, graph.node('Mul', [value, layers.gelu(gate)]));
      tokens = graph.node('Add', [tokens, fed]);
    }
    const columns = graph.node('Transpose', [tokens], { perm: [0, 2, 1] });
    const image = graph.node('Reshape', [columns, graph.node('Shape', [x])]);
    return graph.node('Add', [x, layers.conv(`${name}.proj_out`, image)]);
  }

  /** Between two levels. */
  #resampled(name: string, direction: 'down' | 'up', x: Value): Value {
    if (this.config.resample === 'wavelet') return this.#waveletGated(name, direction, x);
    if (direction === 'up') return this.#layers.conv(`${name}.conv`, this.#layers.doubled(x), { pad: 1 });
    const pads = this.config.downsamplePadding === 1 ? [1, 1, 1, 1] : [0, 0, 1, 1];
    return this.#layers.conv(`${name}.op`, x, { pads, stride: 2 });
  }

  /** Inside a residual block: LDM has no parameters there. */
  #innerResampled(name: string, direction: 'down' | 'up', x: Value): Value {
    if (this.config.resample === 'wavelet') return this.#waveletGated(name, direction, x);
    if (direction === 'up') return this.#layers.doubled(x);
    return this.#graph.node('AveragePool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
  }

  /** WG-Down and WG-Up: Yang et al. 2023, wavelet gating. */
  #waveletGated(name: string, direction: 'down' | 'up', x: Value): Value {
    const { fuse, gate } = this.config.wavelet;
    const graph = this.#graph;
    const layers = this.#layers;
    const pooled = graph.node('Flatten', [graph.node('GlobalAveragePool', [x])], { axis: 1 }); // [batch, C]
    const hidden = layers.silu(layers.linear(`${name}.gate.0`, pooled));
    const flat = graph.node('Sigmoid', [layers.linear(`${name}.gate.2`, hidden)]);
    const gates = graph.node('Reshape', [flat, graph.shape([0, -1, 1, 1])]); // [batch, 4 G, 1, 1]
    this.#gates.set(name, gates);
    const perBand = gate === 'band' ? graph.nodes('Split', [gates], 4, { axis: 1 }) : undefined;
    const gated = (packed: Value) => {
      if (!perBand) return graph.node('Mul', [packed, gates]);
      const bands = graph.nodes('Split', [packed], 4, { axis: 1 });
      return graph.node(
        'Concat',
        bands.map((band, i) => graph.node('Mul', [band, perBand[i]])),
        { axis: 1 },
      );
    };
    if (direction === 'up') return layers.conv(`${name}.fuse`, layers.inverseHaar(gated(x)));
    const bands = gated(layers.haar(x)); // [batch, 4 C, H/2, W/2]
    if (fuse === 'conv') return layers.conv(`${name}.fuse`, bands);
    return graph.node('Sum', graph.nodes('Split', [bands], 4, { axis: 1 }));
  }
}

/** As `timestepEmbedding` of @sd/unet has them: rounded to float32 after every step, like PyTorch's. */
function frequencies(half: number, shift: number): Float32Array {
  const rate = Math.fround(-Math.log(10000));
  return Float32Array.from({ length: half }, (_, i) => Math.exp(Math.fround(Math.fround(rate * i) / (half - shift))));
}
