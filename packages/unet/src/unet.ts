import { ArgumentError, checkShape, type RandomKey, ShapeError } from '@sd/core';
import { Conv2d, GroupNorm, Module, type StateDictLayout, silu, zeros } from '@sd/nn';
import type { Tensor, Tensor1D, Tensor2D, Tensor3D, Tensor4D } from '@tensorflow/tfjs-core';
import * as tf from '@tensorflow/tfjs-core';
import { type ClassModule, checkLabels, createClassModule, embedLabels, type Labels } from './class-conditioning';
import type { Conditioning, MacOptions, Taps } from './conditioning';
import { type ResolvedUNetConfig, resolveUNetConfig, type UNetConfig } from './config';
import { EmbeddingMlp } from './embedding-mlp';
import { planUNet, type UNetPlan } from './plan';
import { timestepEmbedding } from './timestep-embedding';
import { UNetBlock } from './unet-block';
import { unetLayouts } from './unet-layouts';

/** A timestep for the whole batch, or one for each sample. In steps; fractions are allowed. */
export type Timesteps = number | readonly number[] | Tensor1D;

export type UNetForwardOptions = {
  /** `[N, tokens, contextDim]`, with a SpatialTransformer. Borrowed. */
  readonly context?: Tensor3D;
  /** What the configuration's `classEmbedding` takes: with `numClasses` one class index per sample. */
  readonly labels?: Labels;
  /** `[N, timeConditionDim]`, or one row for the whole batch; may be left out. Borrowed. */
  readonly timeCondition?: Tensor2D;
  /** Drop activations with the configured probability; nothing is dropped without a key. */
  readonly dropoutKey?: RandomKey;
  /**
   * Gradient checkpointing: residual blocks, attention and transformers keep nothing but their inputs for the backward
   * pass, which computes them again. The same gradients for less memory and about a third more time. Default false.
   */
  readonly checkpointing?: boolean;
};

/** Hidden states by level, `up.0` being the full resolution: see `featureShapes`. */
export type Features = Record<string, Tensor4D>;

/** Gate values by the name of their module in the state dict, as `input_blocks.3.0`. */
export type Gates = Record<string, Tensor>;

/**
 * The UNet of latent diffusion (CompVis `openaimodel.UNetModel`), slim and wavelet-gated where the configuration says
 * so (Yang et al. 2023, wavelet gating), and diffusers' UNet2DModel and UNet2DConditionModel, which are the same graph.
 *
 * State dict names are LDM's, without the prefix `model.diffusion_model.`; a wavelet-gated module has the name of the
 * layer that it replaces (`input_blocks.3.0`), or `h_upd` and `x_upd` inside a residual block. Loading also takes LDM's
 * names with their prefixes, its moving average, and diffusers' names, with its old attention's too.
 */
export class UNet extends Module {
  /** With defaults filled in. */
  readonly config: ResolvedUNetConfig;
  readonly #plan: UNetPlan;
  readonly #time: EmbeddingMlp;
  readonly #classes: ClassModule | undefined;
  readonly #inputBlocks: readonly UNetBlock[];
  readonly #middleBlock: UNetBlock;
  readonly #outputBlocks: readonly UNetBlock[];
  readonly #outNorm: GroupNorm;
  readonly #outConv: Conv2d;

  /** Takes no memory before the first use. @throws {ArgumentError} on a configuration that cannot be built. */
  constructor(config: UNetConfig) {
    super();
    this.config = resolveUNetConfig(config);
    const { modelChannels, outChannels, timeEmbeddingDim, timeConditionDim, normEps: eps } = this.config;
    const plan = planUNet(this.config);
    this.#plan = plan;
    const block = (name: string, blockPlan: (typeof plan)['middleBlock']) =>
      this.child(name, new UNetBlock(blockPlan, this.config));

    this.#time = this.child(
      'time_embed',
      new EmbeddingMlp({
        inFeatures: modelChannels,
        outFeatures: timeEmbeddingDim,
        conditionFeatures: timeConditionDim,
      }),
    );
    this.#classes = createClassModule(this.config);
    if (this.#classes) this.child(this.#classes.name, this.#classes.module as Module);
    this.#inputBlocks = plan.inputBlocks.map((blockPlan, i) => block(`input_blocks.${i}`, blockPlan));
    this.#middleBlock = block('middle_block', plan.middleBlock);
    this.#outputBlocks = plan.outputBlocks.map((blockPlan, i) => block(`output_blocks.${i}`, blockPlan));
    this.#outNorm = this.child(
      'out.0',
      new GroupNorm({ channels: plan.outWidth, groups: plan.outGroups, eps, silu: true }),
    );
    this.#outConv = this.child(
      'out.2',
      new Conv2d({ inChannels: plan.outWidth, outChannels, kernel: 3, pad: 1, init: zeros }),
    );
  }

  /**
   * @param x `[N, H, W, inChannels]`, H and W multiples of 2^(levels - 1). Borrowed.
   * @param t a tensor must be `[N]`. Borrowed.
   * @returns `[N, H, W, outChannels]`. Owned by the caller.
   * @throws {ShapeError} @throws {ArgumentError} on a missing or unexpected condition, too.
   */
  forward(x: Tensor4D, t: Timesteps, options: UNetForwardOptions = {}): Tensor4D {
    return this.#run(x, t, options, {}).output;
  }

  /**
   * `forward`, and the hidden state after the last block of each decoder level, before its upsampling.
   * @returns `features` as `featureShapes` lists them, e.g. `up.2`. All owned by the caller.
   */
  forwardWithFeatures(
    x: Tensor4D,
    t: Timesteps,
    options: UNetForwardOptions = {},
  ): { output: Tensor4D; features: Features } {
    const { output, features } = this.#run(x, t, options, { features: {} });
    return { output, features };
  }

  /**
   * `forward`, and the gate values of every wavelet-gated module.
   * @returns `gates` as `WGDown.gates` and `WGUp.gates` give them; empty for a model without. All owned by the caller.
   */
  forwardWithGates(x: Tensor4D, t: Timesteps, options: UNetForwardOptions = {}): { output: Tensor4D; gates: Gates } {
    const { output, gates } = this.#run(x, t, options, { gates: {} });
    return { output, gates };
  }

  #run(x: Tensor4D, t: Timesteps, options: UNetForwardOptions, taps: Taps) {
    this.#check(x, t, options);
    return tf.tidy(() => {
      const { context, dropoutKey, checkpointing = false } = options;
      const shared = { embedding: this.#embed(t, options), context, dropoutKey, checkpointing, taps };
      const named = (name: string): Conditioning => ({ ...shared, name });
      const skips: Tensor4D[] = [];
      let h = this.config.centerInput ? (tf.sub(tf.mul(x, 2), 1) as Tensor4D) : x;
      for (const [i, block] of this.#inputBlocks.entries()) {
        h = block.forward(h, named(`input_blocks.${i}`));
        skips.push(h);
      }
      h = this.#middleBlock.forward(h, named('middle_block'));
      for (const [i, block] of this.#outputBlocks.entries()) {
        const joined = tf.concat([h, skips.pop() as Tensor4D], 3); // [N, H, W, C + skip]
        h = block.forward(joined, named(`output_blocks.${i}`));
      }
      const output = this.#outConv.forward(this.#outNorm.forward(h));
      return { output, features: taps.features ?? {}, gates: taps.gates ?? {} };
    });
  }

  /** SiLU of the embedding, `[N, timeEmbeddingDim]`, or `[1, ...]` where all samples share it. */
  #embed(t: Timesteps, { labels, timeCondition }: UNetForwardOptions): Tensor2D {
    const times = timestepEmbedding(typeof t === 'number' ? [t] : t, this.config.modelChannels, this.config);
    let embedding = this.#time.forward(times, timeCondition);
    if (labels) embedding = tf.add(embedding, embedLabels(labels, this.#classes?.module, this.config));
    return silu(embedding); // every residual block begins with it: computed once
  }

  #check(x: Tensor4D, t: Timesteps, { context, labels, timeCondition }: UNetForwardOptions): void {
    const { inChannels, channelMult, contextDim, timeConditionDim } = this.config;
    checkShape('UNet', 'x', x, ['N', 'H', 'W', inChannels]);
    const [n, h, w] = x.shape;
    const factor = 2 ** (channelMult.length - 1);
    if (h === 0 || h % factor !== 0 || w === 0 || w % factor !== 0) {
      const expected = `[N, H, W, ${inChannels}] with H and W multiples of ${factor}`;
      throw new ShapeError('UNet', 'x', expected, x.shape);
    }
    if (t instanceof tf.Tensor) checkShape('UNet', 't', t, [n]);
    else if (typeof t !== 'number' && t.length !== n)
      throw new ArgumentError('UNet', 't', `one timestep or one per sample, ${n}`, t);
    const hasContext = contextDim !== undefined;
    if (hasContext !== (context !== undefined)) {
      const model = 'a model with a SpatialTransformer';
      const expected = hasContext ? `given, for ${model}` : `left out, this is not ${model}`;
      throw new ArgumentError('UNet', 'context', expected, context?.shape);
    }
    if (context) checkShape('UNet', 'context', context, [n, 'tokens', contextDim as number]);
    checkLabels(labels, n, this.config);
    if (timeCondition) this.#checkTimeCondition(timeCondition, n, timeConditionDim);
  }

  #checkTimeCondition(condition: Tensor2D, n: number, width: number | undefined): void {
    if (width === undefined) {
      const expected = 'left out, this is not a model with timeConditionDim';
      throw new ArgumentError('UNet', 'timeCondition', expected, condition.shape);
    }
    checkShape('UNet', 'timeCondition', condition, [condition.shape[0] === 1 ? 1 : n, width]);
  }

  override stateDictLayouts(): readonly StateDictLayout[] {
    return unetLayouts(this, this.#plan, this.config);
  }

  /** Multiply-accumulates for one sample of this input size. */
  macs(height: number, width: number, options: MacOptions): number {
    const classes = this.#classes?.module;
    let total = this.#time.macs() + (classes instanceof EmbeddingMlp ? classes.macs() : 0);
    let [h, w] = [height, width];
    for (const block of [...this.#inputBlocks, this.#middleBlock, ...this.#outputBlocks]) {
      const counted = block.macs(h, w, options);
      total += counted.macs;
      [h, w] = [counted.height, counted.width];
    }
    return total + this.#outConv.macs(h, w);
  }
}
