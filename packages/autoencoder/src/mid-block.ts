import { Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { AttnBlock } from './attn-block';
import type { AutoencoderArchitecture } from './config';
import { type ForwardOptions, partOptions, ResnetBlock } from './resnet-block';
import type { Step } from './sequence';

/** The coarsest level's middle: block, attention (unless `attnType` is none), block. */
export class MidBlock extends Module {
  readonly block1: ResnetBlock;
  readonly attn1: AttnBlock | undefined;
  readonly block2: ResnetBlock;

  constructor(channels: number, config: AutoencoderArchitecture) {
    super();
    this.block1 = this.child('block_1', new ResnetBlock(channels, channels, config));
    if (config.attnType === 'vanilla') this.attn1 = this.child('attn_1', new AttnBlock(channels, config));
    this.block2 = this.child('block_2', new ResnetBlock(channels, channels, config));
  }

  steps(options: ForwardOptions): Step[] {
    const { block1, attn1, block2 } = this;
    return [
      (h) => block1.forward(h, partOptions(options, 'block_1')),
      ...(attn1 ? [(h: Tensor4D) => attn1.forward(h)] : []),
      (h) => block2.forward(h, partOptions(options, 'block_2')),
    ];
  }

  macs(height: number, width: number): number {
    return [this.block1, this.attn1, this.block2].reduce((sum, part) => sum + (part?.macs(height, width) ?? 0), 0);
  }
}
