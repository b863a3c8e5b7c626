import { ArgumentError } from '@sd/core';
import type { ResolvedUNetConfig } from './config';
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
      readonly resample?: 'down' | 'up';
    }
  | { readonly kind: 'attention'; readonly channels: number; readonly heads: number; readonly groups: number }
  | { readonly kind: 'down' | 'up'; readonly channels: number };

/** One `TimestepEmbedSequential` of LDM. */
export type BlockPlan = {
  readonly layers: readonly LayerPlan[];
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
 * The layers of LDM's `openaimodel.UNetModel`, in its order.
 * @throws {ArgumentError} where the widths do not suit heads, groups or wavelets.
 */
export function planUNet(config: ResolvedUNetConfig): UNetPlan {
  const { modelChannels, channelMult, numResBlocks, inChannels } = config;
  const levels = channelMult.length;
  const widths = channelMult.map((mult) => mult * modelChannels);
  const attends = (level: number) => config.attentionResolutions.includes(2 ** level);

  const inputBlocks: BlockPlan[] = [{ layers: [{ kind: 'conv', inChannels, outChannels: modelChannels }] }];
  const skips = [modelChannels];
  let channels = modelChannels;
  for (let level = 0; level < levels; level++) {
    for (let i = 0; i < numResBlocks; i++) {
      const layers: LayerPlan[] = [planRes(config, channels, widths[level])];
      channels = widths[level];
      if (attends(level)) layers.push(planAttention(config, channels));
      inputBlocks.push({ layers });
      skips.push(channels);
    }
    if (level < levels - 1) {
      inputBlocks.push({ layers: [planResampling(config, channels, 'down')] });
      skips.push(channels);
    }
  }

  const middleBlock: BlockPlan = {
    layers: [planRes(config, channels, channels), planAttention(config, channels), planRes(config, channels, channels)],
  };

  const outputBlocks: BlockPlan[] = [];
  for (let level = levels - 1; level >= 0; level--) {
    for (let i = 0; i <= numResBlocks; i++) {
      const layers: LayerPlan[] = [planRes(config, channels + (skips.pop() as number), widths[level])];
      channels = widths[level];
      if (attends(level)) layers.push(planAttention(config, channels));
      if (i < numResBlocks) {
        outputBlocks.push({ layers });
        continue;
      }
      const feature = { name: `up.${level}`, channels, level, after: layers.length - 1 };
      if (level > 0) layers.push(planResampling(config, channels, 'up'));
      outputBlocks.push({ layers, feature });
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
  resample?: 'down' | 'up',
): LayerPlan {
  const inGroups = groupsOf(config, inChannels);
  const outGroups = groupsOf(config, outChannels);
  return { kind: 'res', inChannels, outChannels, inGroups, outGroups, ...(resample ? { resample } : {}) };
}

function planAttention(config: ResolvedUNetConfig, channels: number): LayerPlan {
  const { numHeads, numHeadChannels } = config;
  const groups = groupsOf(config, channels);
  if (numHeadChannels !== undefined) {
    checkDivides('numHeadChannels', numHeadChannels, channels);
    return { kind: 'attention', channels, heads: channels / numHeadChannels, groups };
  }
  if (numHeads === undefined) {
    throw new ArgumentError('UNetConfig', 'numHeads', 'given, or numHeadChannels', numHeads); // the middle block attends
  }
  checkDivides('numHeads', numHeads, channels);
  return { kind: 'attention', channels, heads: numHeads, groups };
}

function planResampling(config: ResolvedUNetConfig, channels: number, direction: 'down' | 'up'): LayerPlan {
  if (config.resample === 'wavelet' && direction === 'up' && channels % 4 !== 0) {
    const expected = 'such that every level above 0 is a multiple of 4 wide, for its four wavelet bands';
    throw new ArgumentError('UNetConfig', 'modelChannels', expected, config.modelChannels);
  }
  if (config.wavelet.gateHidden === 'half' && channels % 2 !== 0) {
    throw new ArgumentError('UNetConfig.wavelet', 'gateHidden', `a number for ${channels} channels`, 'half');
  }
  if (config.resblockUpdown) return planRes(config, channels, channels, direction);
  return { kind: direction, channels };
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
