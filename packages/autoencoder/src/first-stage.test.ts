import { float32View, openSafetensors, writeSafetensors } from '@sd/checkpoint';
import { randomKey } from '@sd/core';
import { withPrefix } from '@sd/nn';
import { expectTensors } from '@sd/testing';
import { expect, test } from 'vitest';
import { AutoencoderKL } from './autoencoder-kl';
import { smallKL, smallVQ } from './testing';
import { VQModel } from './vq-model';
import '@tensorflow/tfjs';

const view = float32View(new Float32Array(1), [1]);

test("a file of LDM's training is read: what is the loss's is set aside and named", async () => {
  const model = new VQModel(smallVQ).initialize(randomKey(1));
  const state = await model.stateDict();
  const file = new Map([
    ...state,
    ['loss.discriminator.main.0.bias', view],
    ['loss.perceptual_loss.lin0.model.1.weight', view],
  ]);
  const copy = new VQModel(smallVQ);
  await expectTensors(state.size, () => copy.loadStateDict(file));
  expect(copy.setAside).toEqual(['loss.discriminator.main.0.bias', 'loss.perceptual_loss.lin0.model.1.weight']);
  expect(copy.loadedLayout).toMatchObject({ project: 'CompVis latent-diffusion', prefix: '' });
  expect(await copy.stateDict()).toEqual(state);
  expect(copy.loadStateDict(state).setAside).toEqual([]);
  const bytes = writeSafetensors(file);
  const read = async (at: number, length: number) => bytes.slice(at, at + length);
  const byRanges = await copy.loadFrom(await openSafetensors({ size: bytes.length, read }));
  expect([...byRanges.setAside].sort()).toEqual([...file.keys()].filter((name) => name.startsWith('loss.')).sort());
  expect(await byRanges.stateDict()).toEqual(state);
  model.dispose();
  copy.dispose();
});

test('a first stage is read out of the file of a diffusion model, and written as it lies there', async () => {
  const model = new AutoencoderKL(smallKL).initialize(randomKey(1));
  const state = withPrefix(await model.stateDict(), 'first_stage_model.');
  const file = new Map([...state, ['model.diffusion_model.out.2.bias', view], ['first_stage_model.loss.logvar', view]]);
  const copy = new AutoencoderKL(smallKL).loadStateDict(file);
  expect(copy.loadedLayout).toMatchObject({ project: 'CompVis latent-diffusion', prefix: 'first_stage_model.' });
  expect(copy.setAside).toEqual(['first_stage_model.loss.logvar']);
  expect(await copy.stateDict({ prefix: 'first_stage_model.' })).toEqual(state);
  model.dispose();
  copy.dispose();
});

test("the faults of a file of diffusers are listed under its names, with LDM's beside them", async () => {
  const model = new AutoencoderKL(smallKL);
  const state = await model.stateDict({ layout: 'diffusers' });
  state.delete('decoder.up_blocks.0.resnets.1.conv1.bias');
  state.set('encoder.mid_block.attentions.0.to_q.weight', float32View(new Float32Array(64), [8, 8, 1, 1]));
  state.set('encoder.mid_block.attentions.1.to_q.weight', view);
  expect(() => model.loadStateDict(state)).toThrowErrorMatchingInlineSnapshot(`
    [StateDictError: AutoencoderKL.loadStateDict: the state dict is not of this architecture
      nearest names: diffusers, 153 of 154
      1 missing: decoder.up_blocks.0.resnets.1.conv1.bias (decoder.up.1.block.1.conv1.bias)
      1 unexpected: encoder.mid_block.attentions.1.to_q.weight
      1 of another shape: encoder.mid_block.attentions.0.to_q.weight (encoder.mid.attn_1.q.weight) expected [8, 8], got [8, 8, 1, 1]]
  `);
  model.dispose();
});
