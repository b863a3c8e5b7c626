import {
  interleaved,
  type Module,
  ownLayout,
  type Parameter,
  renamed,
  type StateDictLayout,
  type TensorMapping,
} from '@sd/nn';
import type { ResolvedUNetConfig } from './config';
import type { AttentionPlan, BlockPlan, LayerPlan, UNetPlan } from './plan';

// LDM's checkpoints hold the UNet in a DiffusionWrapper, and LitEma's average of that under names without dots.
const LDM_PLACES = [
  { prefix: '' },
  { prefix: 'model.diffusion_model.' },
  { prefix: 'model_ema.diffusion_model', ema: true },
];

/** Beginnings of names here, and the same in diffusers. */
type Renaming = Readonly<Record<string, string>>;

const OUTER: Renaming = {
  'time_embed.0': 'time_embedding.linear_1',
  'time_embed.2': 'time_embedding.linear_2',
  'time_embed.cond_proj': 'time_embedding.cond_proj',
  'out.0': 'conv_norm_out',
  'out.2': 'conv_out',
};

const RES_BLOCK: Renaming = {
  'in_layers.0': 'norm1',
  'in_layers.2': 'conv1',
  'emb_layers.1': 'time_emb_proj',
  'out_layers.0': 'norm2',
  'out_layers.3': 'conv2',
  skip_connection: 'conv_shortcut',
};

/** diffusers' names of an attention's linear layers, and those of its first versions, which its loader takes, too. */
const ATTENTION_NAMES = {
  diffusers: { qkv: ['to_q', 'to_k', 'to_v'], out: 'to_out.0' },
  'early diffusers': { qkv: ['query', 'key', 'value'], out: 'proj_attn' },
} as const;

type DiffusersProject = keyof typeof ATTENTION_NAMES;

/**
 * The names under which a UNet is read and written: LDM's, which are its own; diffusers'; and diffusers' with its first
 * names of plain attention. Wavelet-gated modules, which neither has, keep the names of their parts in each.
 */
export function unetLayouts(model: Module, plan: UNetPlan, config: ResolvedUNetConfig): StateDictLayout[] {
  const layouts = [
    ownLayout('CompVis latent-diffusion', model, LDM_PLACES),
    diffusersLayout('diffusers', model, plan, config),
  ];
  const blocks = [...plan.inputBlocks, plan.middleBlock, ...plan.outputBlocks];
  const attends = blocks.some(({ layers }) => layers.some(({ kind }) => kind === 'attention'));
  return attends ? [...layouts, diffusersLayout('early diffusers', model, plan, config)] : layouts;
}

function diffusersLayout(
  project: DiffusersProject,
  model: Module,
  plan: UNetPlan,
  config: ResolvedUNetConfig,
): StateDictLayout {
  const layers = new Map(layersOf(plan).map((layer) => [layer.own, layer]));
  const outer = { ...OUTER, ...classNames(config) };
  const tensors = new Map<string, TensorMapping>();
  for (const [name, parameter] of model.parameters()) {
    const [, own, rest] = /^((?:input_blocks|output_blocks)\.\d+\.\d+|middle_block\.\d+)\.(.*)$/.exec(name) ?? [];
    const layer = layers.get(own);
    if (layer) tensors.set(name, mappingInLayer(project, layer, rest, parameter));
    else tensors.set(name, renamed(translated(name, outer), parameter.torchShape));
  }
  return { project, tensors, places: [{ prefix: '' }, { prefix: 'unet.' }] };
}

/** LDM calls all of these `label_emb`. */
function classNames({ classEmbedding }: ResolvedUNetConfig): Renaming {
  if (classEmbedding === 'index') return { label_emb: 'class_embedding' };
  const module = classEmbedding === 'text-time' ? 'add_embedding' : 'class_embedding';
  return { 'label_emb.0.0': `${module}.linear_1`, 'label_emb.0.2': `${module}.linear_2` };
}

type NamedLayer = { readonly own: string; readonly theirs: string; readonly plan: LayerPlan };

/** Every layer with its name here and in diffusers, which numbers by level and by kind. */
function layersOf({ inputBlocks, middleBlock, outputBlocks }: UNetPlan): NamedLayer[] {
  const coarsest = outputBlocks[0].level;
  const named = (block: BlockPlan, own: string, theirs: (layer: LayerPlan) => string): NamedLayer[] =>
    block.layers.map((plan, i) => ({ own: `${own}.${i}`, theirs: theirs(plan), plan }));
  const inLevel = (list: string, level: number, index: number) => (layer: LayerPlan) => {
    if (layer.kind === 'conv') return 'conv_in';
    const direction = layer.kind === 'res' ? layer.resample : layer.kind;
    if (direction === 'down' || direction === 'up') return `${list}.${level}.${direction}samplers.0`;
    return `${list}.${level}.${layer.kind === 'res' ? 'resnets' : 'attentions'}.${index}`;
  };
  let middleResnets = 0;
  return [
    ...inputBlocks.flatMap((block, i) =>
      named(block, `input_blocks.${i}`, inLevel('down_blocks', block.level, block.index)),
    ),
    ...named(middleBlock, 'middle_block', ({ kind }) =>
      kind === 'res' ? `mid_block.resnets.${middleResnets++}` : 'mid_block.attentions.0',
    ),
    ...outputBlocks.flatMap((block, i) =>
      named(block, `output_blocks.${i}`, inLevel('up_blocks', coarsest - block.level, block.index)),
    ),
  ];
}

function mappingInLayer(
  project: DiffusersProject,
  layer: NamedLayer,
  rest: string,
  parameter: Parameter,
): TensorMapping {
  const { theirs, plan } = layer;
  if (plan.kind === 'attention') return attentionMapping(project, theirs, plan, rest, parameter);
  const renaming: Renaming = plan.kind === 'res' ? RES_BLOCK : plan.kind === 'down' ? { op: 'conv' } : {};
  const name = plan.kind === 'conv' ? `${theirs}.${rest}` : `${theirs}.${translated(rest, renaming)}`;
  return renamed(name, parameter.torchShape);
}

/** LDM's one convolution `[3C, C, 1]`, per head [q, k, v], is three linear layers `[C, C]` in diffusers. */
function attentionMapping(
  project: DiffusersProject,
  theirs: string,
  { channels, heads }: AttentionPlan,
  rest: string,
  { torchShape }: Parameter,
): TensorMapping {
  const names = ATTENTION_NAMES[project];
  const [part, kind] = rest.split('.');
  const shape = kind === 'weight' ? [channels, channels] : [channels];
  if (part === 'qkv')
    return interleaved(
      names.qkv.map((name) => `${theirs}.${name}.${kind}`),
      shape,
      heads,
    );
  if (part === 'proj_out') return renamed(`${theirs}.${names.out}.${kind}`, shape);
  return renamed(`${theirs}.${translated(rest, { norm: 'group_norm' })}`, torchShape);
}

function translated(name: string, renaming: Renaming): string {
  for (const [own, theirs] of Object.entries(renaming)) {
    if (name.startsWith(`${own}.`)) return theirs + name.slice(own.length);
  }
  return name;
}
