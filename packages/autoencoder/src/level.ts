import { Module } from '@sd/nn';
import type { Tensor4D } from '@tensorflow/tfjs-core';
import { AttnBlock } from './attn-block';
import type { AutoencoderArchitecture } from './config';
import { Downsample } from './downsample';
import { type ForwardOptions, partOptions, ResnetBlock } from './resnet-block';
import type { Step } from './sequence';
import { Upsample } from './upsample';

export type LevelConfig = {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly blocks: number;
  /** Does an attention follow every block? */
  readonly attention: boolean;
  /** What comes after the blocks; nothing at the last level. */
  readonly resample: 'down' | 'up' | 'none';
};

/** One level of the encoder or decoder. State: `block.i`, `attn.i`, `downsample` or `upsample`. */
export class Level extends Module {
  readonly blocks: readonly ResnetBlock[];
  readonly attentions: readonly AttnBlock[];
  readonly resampler: Downsample | Upsample | undefined;

  constructor(
    readonly config: LevelConfig,
    architecture: AutoencoderArchitecture,
  ) {
    super();
    const { inChannels, outChannels, blocks, attention, resample } = config;
    const indices = Array.from({ length: blocks }, (_, i) => i);
    this.blocks = indices.map((i) =>
      this.child(`block.${i}`, new ResnetBlock(i === 0 ? inChannels : outChannels, outChannels, architecture)),
    );
    this.attentions = (attention ? indices : []).map((i) =>
      this.child(`attn.${i}`, new AttnBlock(outChannels, architecture)),
    );
    if (resample === 'down') this.resampler = this.child('downsample', new Downsample(outChannels, architecture));
    if (resample === 'up') this.resampler = this.child('upsample', new Upsample(outChannels, architecture));
  }

  steps(options: ForwardOptions): Step[] {
    const steps = this.blocks.flatMap((block, i): Step[] => {
      const attention = this.attentions[i];
      return [
        (h) => block.forward(h, partOptions(options, i)),
        ...(attention ? [(h: Tensor4D) => attention.forward(h)] : []),
      ];
    });
    const { resampler } = this;
    return resampler ? [...steps, (h) => resampler.forward(h)] : steps;
  }

  macs(height: number, width: number): number {
    const parts = [...this.blocks, ...this.attentions, ...(this.resampler ? [this.resampler] : [])];
    return parts.reduce((sum, part) => sum + part.macs(height, width), 0);
  }
}
