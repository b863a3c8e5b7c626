import { float16View, type StateDict, toFloat32 } from '@sd/checkpoint';
import { type LayoutOptions, withPrefix } from '@sd/nn';
import { describe, expect, test } from 'vitest';
import type { UNetConfig } from './config';
import { GOLDEN_VARIANTS, goldenVariant } from './testing/golden-variant';
import { randomize } from './testing/randomize';
import { UNet } from './unet';

const SMALL: UNetConfig = {
  imageSize: 8,
  inChannels: 3,
  outChannels: 2,
  modelChannels: 8,
  channelMult: [1, 2],
  numResBlocks: 1,
  attentionResolutions: [2],
  numHeads: 2,
};
const GATED: UNetConfig = { ...SMALL, resample: 'wavelet', resblockUpdown: true };
const TEXT: UNetConfig = { ...SMALL, useSpatialTransformer: true, contextDim: 5, numClasses: 3 };
const SEQUENTIAL: UNetConfig = { ...TEXT, numClasses: undefined, classEmbedding: 'projection', classEmbeddingDim: 7 };
const TEXT_TIME: UNetConfig = { ...SEQUENTIAL, classEmbedding: 'text-time', additionTimeDim: 2, timeConditionDim: 3 };

const bytesOf = (state: StateDict) => new Map([...state].map(([name, { data }]) => [name, Buffer.from(data)]));

async function expectSameState(a: StateDict, b: StateDict): Promise<void> {
  expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
  const theirs = bytesOf(b);
  for (const [name, bytes] of bytesOf(a)) expect(bytes.equals(theirs.get(name)!), name).toBe(true);
}

test.each(GOLDEN_VARIANTS)('%s is written as LDM wrote it: names, shapes and bytes', async (name) => {
  const { config, weights } = goldenVariant(name);
  const model = new UNet(config).loadStateDict(withPrefix(weights, 'model.diffusion_model.'));
  expect(model.loadedLayout).toMatchObject({ project: 'CompVis latent-diffusion', prefix: 'model.diffusion_model.' });
  const written = await model.stateDict();
  const halves = new Map([...written].map(([key, view]) => [key, float16View(toFloat32(view), view.shape)]));
  for (const [key, { shape }] of halves) expect(shape, key).toEqual(weights.get(key)?.shape);
  await expectSameState(halves, weights);
});

describe.each<[string, UNetConfig]>([
  ['plain attention', SMALL],
  ['wavelet-gated residual blocks', GATED],
  ['wavelet-gated modules between levels', { ...SMALL, resample: 'wavelet' }],
  ['transformers and labels', TEXT],
  ['linear projections and two linear layers for a class', { ...SEQUENTIAL, useLinearProjection: true }],
  ['text-time and a second time condition', TEXT_TIME],
  ['no middle block', { ...SMALL, middleBlock: 'none' }],
  ['a middle block without attention, blocks by level', { ...SMALL, middleBlock: 'plain', numResBlocks: [2, 1] }],
])('a model with %s', (_, config) => {
  test.each<LayoutOptions>([
    {},
    { prefix: 'model.diffusion_model.' },
    { ema: true },
    { layout: 'diffusers' },
    { layout: 'diffusers', prefix: 'unet.' },
  ])('comes back from what was written with %j', async (options) => {
    const model = randomize(new UNet(config));
    const state = await model.stateDict(options);
    const copy = new UNet(config).loadStateDict(state);
    const { project, ema, matched, total } = copy.loadedLayout!;
    expect({ project, ema, matched }).toEqual({
      project: options.layout ?? 'CompVis latent-diffusion',
      ema: options.ema ?? false,
      matched: total,
    });
    await expectSameState(await copy.stateDict(), await model.stateDict());
  });
});

describe('names', () => {
  const added = async (config: UNetConfig, pattern: RegExp, options: LayoutOptions = { layout: 'diffusers' }) =>
    [...(await new UNet(config).stateDict(options))].flatMap(([name, { shape }]) =>
      pattern.test(name) ? [`${name} [${shape}]`] : [],
    );

  test('a wavelet-gated module has the place of the resampler in diffusers, too', async () => {
    expect(await added({ ...SMALL, resample: 'wavelet' }, /samplers/)).toMatchInlineSnapshot(`
      [
        "down_blocks.0.downsamplers.0.gate.0.weight [4,8]",
        "down_blocks.0.downsamplers.0.gate.2.weight [32,4]",
        "down_blocks.0.downsamplers.0.fuse.weight [8,32,1,1]",
        "down_blocks.0.downsamplers.0.fuse.bias [8]",
        "up_blocks.0.upsamplers.0.gate.0.weight [4,16]",
        "up_blocks.0.upsamplers.0.gate.2.weight [16,4]",
        "up_blocks.0.upsamplers.0.fuse.weight [16,4,1,1]",
        "up_blocks.0.upsamplers.0.fuse.bias [16]",
      ]
    `);
  });

  test('the embeddings of class, text and guidance are where diffusers has them', async () => {
    expect(await added(TEXT, /embedding/)).toMatchInlineSnapshot(`
      [
        "time_embedding.linear_1.weight [32,8]",
        "time_embedding.linear_1.bias [32]",
        "time_embedding.linear_2.weight [32,32]",
        "time_embedding.linear_2.bias [32]",
        "class_embedding.weight [3,32]",
      ]
    `);
    expect(await added(SEQUENTIAL, /class_embedding/)).toMatchInlineSnapshot(`
      [
        "class_embedding.linear_1.weight [32,7]",
        "class_embedding.linear_1.bias [32]",
        "class_embedding.linear_2.weight [32,32]",
        "class_embedding.linear_2.bias [32]",
      ]
    `);
    expect(await added(TEXT_TIME, /add_embedding|cond_proj/)).toMatchInlineSnapshot(`
      [
        "time_embedding.cond_proj.weight [8,3]",
        "add_embedding.linear_1.weight [32,7]",
        "add_embedding.linear_1.bias [32]",
        "add_embedding.linear_2.weight [32,32]",
        "add_embedding.linear_2.bias [32]",
      ]
    `);
    expect(await added(TEXT_TIME, /label_emb/, {})).toMatchInlineSnapshot(`
      [
        "label_emb.0.0.weight [32,7]",
        "label_emb.0.0.bias [32]",
        "label_emb.0.2.weight [32,32]",
        "label_emb.0.2.bias [32]",
      ]
    `);
  });

  test("LDM's moving average has lost its dots", async () => {
    expect(await added(SMALL, /middle_block.*qkv/, { ema: true })).toMatchInlineSnapshot(`
      [
        "model_ema.diffusion_modelmiddle_block1qkvweight [48,16,1]",
        "model_ema.diffusion_modelmiddle_block1qkvbias [48]",
      ]
    `);
  });

  test("early diffusers' attention", async () => {
    const options = { layout: 'early diffusers' };
    expect(await added(SMALL, /mid_block.attentions/, options)).toMatchInlineSnapshot(`
      [
        "mid_block.attentions.0.group_norm.weight [16]",
        "mid_block.attentions.0.group_norm.bias [16]",
        "mid_block.attentions.0.query.weight [16,16]",
        "mid_block.attentions.0.key.weight [16,16]",
        "mid_block.attentions.0.value.weight [16,16]",
        "mid_block.attentions.0.query.bias [16]",
        "mid_block.attentions.0.key.bias [16]",
        "mid_block.attentions.0.value.bias [16]",
        "mid_block.attentions.0.proj_attn.weight [16,16]",
        "mid_block.attentions.0.proj_attn.bias [16]",
      ]
    `);
    const model = randomize(new UNet(SMALL));
    const copy = new UNet(SMALL).loadStateDict(await model.stateDict(options));
    expect(copy.loadedLayout?.project).toBe('early diffusers');
    await expectSameState(await copy.stateDict(), await model.stateDict());
  });
});

test('plain and averaged weights in one checkpoint beside its first stage: each is found', async () => {
  const [plain, averaged] = [randomize(new UNet(SMALL), 1), randomize(new UNet(SMALL), 2)];
  const first = await new UNet(SMALL).stateDict({ prefix: 'first_stage_model.' });
  const state = new Map([
    ...(await plain.stateDict({ prefix: 'model.diffusion_model.' })),
    ...(await averaged.stateDict({ ema: true })),
    ...first,
  ]);
  await expectSameState(await new UNet(SMALL).loadStateDict(state).stateDict(), await plain.stateDict());
  const copy = new UNet(SMALL).loadStateDict(state, { ema: true });
  await expectSameState(await copy.stateDict(), await averaged.stateDict());
});

describe('a configuration that contradicts the weights', () => {
  test("says which layer, expected and found, under diffusers' names", async () => {
    const state = await new UNet({ ...SMALL, modelChannels: 12, normGroups: 4 }).stateDict({ layout: 'diffusers' });
    const wrong = new Map([...state].filter(([name]) => /conv_in|attentions.0.to_q.weight/.test(name)));
    const right = await new UNet(SMALL).stateDict({ layout: 'diffusers' });
    right.delete('mid_block.resnets.0.conv1.bias');
    expect(() => new UNet(SMALL).loadStateDict(new Map([...right, ...wrong]))).toThrowErrorMatchingInlineSnapshot(`
      [StateDictError: UNet.loadStateDict: the state dict is not of this architecture
        nearest names: diffusers, 143 of 144
        1 missing: mid_block.resnets.0.conv1.bias (middle_block.0.in_layers.2.bias)
        5 of another shape: conv_in.weight (input_blocks.0.0.weight) expected [8, 3, 3, 3], got [12, 3, 3, 3], conv_in.bias (input_blocks.0.0.bias) expected [8], got [12], down_blocks.1.attentions.0.to_q.weight (input_blocks.3.1.qkv.weight) expected [16, 16], got [24, 24], mid_block.attentions.0.to_q.weight (middle_block.1.qkv.weight) expected [16, 16], got [24, 24], up_blocks.0.attentions.0.to_q.weight (output_blocks.0.1.qkv.weight) expected [16, 16], got [24, 24]]
    `);
  });

  test('a context of another width', async () => {
    const state = await new UNet({ ...TEXT, contextDim: 6 }).stateDict();
    expect(() => new UNet(TEXT).loadStateDict(state)).toThrow(
      'middle_block.1.transformer_blocks.0.attn2.to_k.weight expected [16, 5], got [16, 6]',
    );
  });

  test('names of an unknown project: the nearest known one is named', async () => {
    const state = withPrefix(await new UNet(SMALL).stateDict(), 'net.');
    expect(() => new UNet(SMALL).loadStateDict(state)).toThrow(
      /not of this architecture\n {2}nearest names: CompVis latent-diffusion, 0 of \d+\n {2}\d+ missing: time_embed/,
    );
  });
});
