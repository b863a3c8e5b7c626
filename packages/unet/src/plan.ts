import { ArgumentError } from '@sd/core';
import { atLevel, type ResolvedUNetConfig } from './config';
import { defaultNormGroups } from './norm-groups';

/** What a layer is, as data: the model is built from it, and sizes are read from it, without any tensor. */
export type LayerPlan =
  | { readonly kind: 'conv'; readonly inChannels: number; readonly outChannels: number }
  | {
      readonly kind: 'res';
      readonly inChannels: number;
      readonly outChannels: number;
      readonly inGroups: number;
      readonly outGroups: number;
      readonly outputScale: number;
      readonly resample?: 'down' | 'up';
    }
  | AttentionPlan
  | TransformerPlan
  | { readonly kind: 'down' | 'up'; readonly channels: number };

export type AttentionPlan = {
  readonly kind: 'attention';
  readonly channels: number;
  readonly heads: number;
  readonly groups: number | 'none';
  readonly outputScale: number;
};

export type TransformerPlan = {
  readonly kind: 'transformer';
  readonly channels: number;
  readonly heads: number;
  readonly groups: number;
  readonly depth: number;
  readonly contextDim: number;
  readonly onlyCrossAttention: boolean;
};

/** One `TimestepEmbedSequential` of LDM. */
export type BlockPlan = {
  readonly layers: readonly LayerPlan[];
  readonly level: number;
  /** Its place among the residual blocks of its level. */
  readonly index: number;
  /** The hidden state after layer `after` is the feature of this level (distillation). */
  readonly feature?: FeaturePlan & { readonly after: number };
};

export type FeaturePlan = { readonly name: string; readonly channels: number; readonly level: number };

export type UNetPlan = {
  readonly inputBlocks: readonly BlockPlan[];
  readonly middleBlock: BlockPlan;
  readonly outputBlocks: readonly BlockPlan[];
  /** Width before the output layer, and the groups of its normalization. */
  readonly outWidth: number;
  readonly outGroups: number;
};

/**
 * The layers of LDM's `openaimodel.UNetModel`, in its order; diffusers' UNets are the same graph.
 * @throws {ArgumentError} where the widths do not suit heads, groups or wavelets.
 */
export function planUNet(config: ResolvedUNetConfig): UNetPlan {
  const { modelChannels, channelMult, inChannels } = config;
  const levels = channelMult.length;
  const widths = channelMult.map((mult) => mult * modelChannels);
  const attends = (level: number) => config.attentionResolutions.includes(2 ** level);
  const blocksOf = (level: number) => atLevel(config.numResBlocks, level);

  const inputBlocks: BlockPlan[] = [
    { layers: [{ kind: 'conv', inChannels, outChannels: modelChannels }], level: 0, index: 0 },
  ];
  const skips = [modelChannels];
  let channels = modelChannels;
  for (let level = 0; level < levels; level++) {
    for (let index = 0; index < blocksOf(level); index++) {
      const layers: LayerPlan[] = [planRes(config, channels, widths[level])];
      channels = widths[level];
      if (attends(level)) layers.push(planAttention(config, channels, level));
      inputBlocks.push({ layers, level, index });
      skips.push(channels);
    }
    if (level < levels - 1) {
      const layers = [planResampling(config, channels, level, 'down')];
      inputBlocks.push({ layers, level, index: blocksOf(level) });
      skips.push(channels);
    }
  }

  const middleBlock = planMiddle(config, channels, levels - 1);

  const outputBlocks: BlockPlan[] = [];
  for (let level = levels - 1; level >= 0; level--) {
    const last = blocksOf(level);
    for (let index = 0; index <= last; index++) {
      const layers: LayerPlan[] = [planRes(config, channels + (skips.pop() as number), widths[level])];
      channels = widths[level];
      if (attends(level)) layers.push(planAttention(config, channels, level));
      if (index < last) {
        outputBlocks.push({ layers, level, index });
        continue;
      }
      const feature = { name: `up.${level}`, channels, level, after: layers.length - 1 };
      if (level > 0) layers.push(planResampling(config, channels, level, 'up'));
      outputBlocks.push({ layers, level, index, feature });
    }
  }
  return { inputBlocks, middleBlock, outputBlocks, outWidth: channels, outGroups: groupsOf(config, channels) };
}

/** How a layer changes height and width. */
export function scaleOf(layer: LayerPlan): 1 | 2 | 0.5 {
  const direction = layer.kind === 'res' ? layer.resample : layer.kind;
  if (direction === 'down') return 0.5;
  return direction === 'up' ? 2 : 1;
}

function planRes(
  config: ResolvedUNetConfig,
  inChannels: number,
  outChannels: number,
  { resample, outputScale = 1 }: { resample?: 'down' | 'up'; outputScale?: number } = {},
): LayerPlan {
  const inGroups = groupsOf(config, inChannels);
  const outGroups = groupsOf(config, outChannels);
  return { kind: 'res', inChannels, outChannels, inGroups, outGroups, outputScale, ...(resample ? { resample } : {}) };
}

function planAttention(config: ResolvedUNetConfig, channels: number, level: number): AttentionPlan | TransformerPlan {
  const { contextDim } = config;
  const heads = headsOf(config, channels, level);
  const groups = groupsOf(config, channels);
  if (contextDim === undefined) return { kind: 'attention', channels, heads, groups, outputScale: 1 };
  const depth = atLevel(config.transformerDepth, level);
  const onlyCrossAttention = atLevel(config.onlyCrossAttention, level);
  return { kind: 'transformer', channels, heads, groups, depth, contextDim, onlyCrossAttention };
}

function planMiddle(config: ResolvedUNetConfig, channels: number, level: number): BlockPlan {
  const { middleBlock, middleAttentionGroups, middleScale: outputScale } = config;
  if (middleBlock === 'none') return { layers: [], level, index: 0 };
  const res = planRes(config, channels, channels, { outputScale });
  if (middleBlock === 'plain') return { layers: [res, res], level, index: 0 };
  const attention = planAttention(config, channels, level);
  if (attention.kind === 'transformer') {
    return { layers: [res, { ...attention, onlyCrossAttention: false }, res], level, index: 0 };
  }
  if (typeof middleAttentionGroups === 'number') {
    checkDivides('middleAttentionGroups', middleAttentionGroups, channels);
  }
  const groups = middleAttentionGroups ?? attention.groups;
  return { layers: [res, { ...attention, groups, outputScale }, res], level, index: 0 };
}

function headsOf({ numHeads, numHeadChannels }: ResolvedUNetConfig, channels: number, level: number): number {
  if (numHeadChannels !== undefined) {
    checkDivides('numHeadChannels', numHeadChannels, channels);
    return channels / numHeadChannels;
  }
  if (numHeads === undefined) {
    throw new ArgumentError('UNetConfig', 'numHeads', 'given, or numHeadChannels', numHeads);
  }
  const heads = atLevel(numHeads, level);
  checkDivides('numHeads', heads, channels);
  return heads;
}

function planResampling(
  config: ResolvedUNetConfig,
  channels: number,
  level: number,
  direction: 'down' | 'up',
): LayerPlan {
  if (config.resample === 'wavelet' && direction === 'up' && channels % 4 !== 0) {
    const expected = 'such that every level above 0 is a multiple of 4 wide, for its four wavelet bands';
    throw new ArgumentError('UNetConfig', 'modelChannels', expected, config.modelChannels);
  }
  if (config.wavelet.gateHidden === 'half' && channels % 2 !== 0) {
    throw new ArgumentError('UNetConfig.wavelet', 'gateHidden', `a number for ${channels} channels`, 'half');
  }
  const { resblockUpdown } = config;
  const inBlock = typeof resblockUpdown === 'boolean' ? resblockUpdown : resblockUpdown[direction][level];
  return inBlock ? planRes(config, channels, channels, { resample: direction }) : { kind: direction, channels };
}

function groupsOf({ normGroups }: ResolvedUNetConfig, channels: number): number {
  if (normGroups === undefined) return defaultNormGroups(channels);
  checkDivides('normGroups', normGroups, channels);
  return normGroups;
}

function checkDivides(field: string, divisor: number, channels: number): void {
  if (channels % divisor !== 0) {
    throw new ArgumentError('UNetConfig', field, `a divisor of every width that it meets, here ${channels}`, divisor);
  }
}
