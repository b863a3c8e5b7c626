/** A parameter in diffusers' files. `linear`: it is `[C, C]` there, not a 1x1 convolution's `[C, C, 1, 1]`. */
export type DiffusersName = { readonly name: string; readonly linear: boolean };

/** Older files have the names of diffusers' former AttentionBlock. */
const ATTENTION = {
  present: { norm: 'group_norm', q: 'to_q', k: 'to_k', v: 'to_v', proj_out: 'to_out.0' },
  deprecated: { norm: 'group_norm', q: 'query', k: 'key', v: 'value', proj_out: 'proj_attn' },
} as const;

/**
 * The name in diffusers' AutoencoderKL and VQModel of what latent-diffusion calls `name`. The decoder's levels are
 * counted from the coarsest there, from the finest here.
 */
export function diffusersName(name: string, levels: number, attention: keyof typeof ATTENTION): DiffusersName {
  const parts = ATTENTION[attention];
  let linear = false;
  const renamed = name
    .replace(/\.down\.(\d+)\./, '.down_blocks.$1.')
    .replace(/\.up\.(\d+)\./, (_, level: string) => `.up_blocks.${levels - 1 - Number(level)}.`)
    .replace(/\.mid\.block_(\d)\./, (_, block: string) => `.mid_block.resnets.${Number(block) - 1}.`)
    .replace('.mid.attn_1.', '.mid_block.attentions.0.')
    .replace(/\.block\.(\d+)\./, '.resnets.$1.')
    .replace(/\.attn\.(\d+)\./, '.attentions.$1.')
    .replace('.downsample.', '.downsamplers.0.')
    .replace('.upsample.', '.upsamplers.0.')
    .replace('.nin_shortcut.', '.conv_shortcut.')
    .replace('.norm_out.', '.conv_norm_out.')
    .replace(
      /(\.attentions\.\d+)\.(norm|q|k|v|proj_out)\.(\w+)$/,
      (_, block: string, part: keyof typeof parts, kind) => {
        linear = part !== 'norm' && kind === 'weight';
        return `${block}.${parts[part]}.${kind}`;
      },
    );
  return { name: renamed, linear };
}
