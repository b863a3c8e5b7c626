import type { AutoencoderTinyConfig } from '@sd/autoencoder';
import type { StateDict } from '@sd/checkpoint';
import type { DecoderGraphOptions } from './decoder-graph';
import { Layers } from './layers';
import { OnnxGraph, type Value } from './onnx-graph';

/** Latents are clamped softly: tanh(z / 3) 3. */
const CLAMP = 3;
const POOL_GROUPS = 4;
const POOL_EPS = 1e-5;

/**
 * The decoder of the TAESD family as an ONNX graph, with the names of `decoderGraph`: `latent` `[batch, C, height, width]`, as
 * the diffusion model gives it, to `image` `[batch, 3, H, W]` in [-1, 1]. @param state in its own names.
 */
export function tinyDecoderGraph(
  config: AutoencoderTinyConfig,
  state: StateDict,
  { precision, scaleFactor }: DecoderGraphOptions,
): OnnxGraph {
  const { latentChannels, outCh, decoderBlocks, pool, range } = config;
  const graph = new OnnxGraph('decoder', precision);
  const layers = new Layers(graph, state);
  const relu = (x: Value) => graph.node('Relu', [x]);
  let place = 0;
  const next = () => `decoder.layers.${place++}`;
  const conv = (name: string, x: Value) => layers.conv(name, x, { pad: 1 });

  /** x + conv(relu(norm(conv(x)))), 1x1. */
  const pooled = (name: string, x: Value) => {
    const wide = layers.groupNorm(`${name}.1`, layers.conv(`${name}.0`, x), POOL_GROUPS, POOL_EPS);
    return graph.node('Add', [x, layers.conv(`${name}.3`, relu(wide))]);
  };
  const block = (name: string, x: Value, pools: boolean) => {
    const start = pools ? pooled(`${name}.pool`, x) : x;
    const branch = conv(`${name}.conv.4`, relu(conv(`${name}.conv.2`, relu(conv(`${name}.conv.0`, start)))));
    return relu(graph.node('Add', [branch, start]));
  };

  const latent = graph.input('latent', ['batch', latentChannels, 'height', 'width']);
  const scaled = graph.node('Div', [latent, graph.scalar(scaleFactor * CLAMP)]);
  let h = conv(next(), graph.node('Mul', [graph.node('Tanh', [scaled]), graph.scalar(CLAMP)]));
  h = relu(h);
  place++; // the activation has a place
  for (const [level, blocks] of decoderBlocks.entries()) {
    for (let i = 0; i < blocks; i++) h = block(next(), h, pool && level === 0);
    if (level === decoderBlocks.length - 1) continue;
    place++; // so has the doubling
    h = conv(next(), layers.doubled(h));
  }
  const unit = conv(next(), h);
  const signed =
    range === 'unit' ? unit : graph.node('Sub', [graph.node('Mul', [unit, graph.scalar(2)]), graph.scalar(1)]);
  graph.output('image', graph.node('Clip', [signed, graph.scalar(-1), graph.scalar(1)]), [
    'batch',
    outCh,
    'image height',
    'image width',
  ]);
  return graph;
}
