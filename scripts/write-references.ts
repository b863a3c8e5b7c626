/**
 * Loads the models of goldens/ and writes them as a user would, each with its configuration, and small models as `sd export`
 * writes them, with what they compute, into a folder:
 *   npx pnpm@10 exec tsx scripts/write-references.ts out/written && python3 goldens/load-written.py out/written
 * The second command loads them in the software of their projects, strictly, and compares what it computes.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '@tensorflow/tfjs-backend-cpu';
import { autoencoderConfigToDiffusers, autoencoderFromDiffusers, autoencoderFromLdm } from '@sd/autoencoder';
import { readSafetensors, type StateDict, writeSafetensors } from '@sd/checkpoint';
import { ClipTextModel, clipTextConfigFromHuggingFace, clipTextConfigToHuggingFace } from '@sd/clip';
import { withoutPrefix } from '@sd/nn';
import { UNet, unetConfigFromDiffusers, unetConfigFromLdm, unetConfigToDiffusers } from '@sd/unet';
import { root } from './lib/workspace';
import { writeExports } from './lib/write-exports';

const folder = process.argv[2];
if (folder === undefined) throw new Error('which folder to write to?');

const golden = (name: string) =>
  readSafetensors(new Uint8Array(readFileSync(join(root, 'goldens', `${name}.safetensors`))));

function write(name: string, file: string, state: StateDict, config: unknown): void {
  mkdirSync(join(folder!, name), { recursive: true });
  writeFileSync(join(folder!, name, file), writeSafetensors(new Map(state), { format: 'pt' }));
  writeFileSync(join(folder!, name, 'config.json'), JSON.stringify(config, null, 2));
}

const clip = golden('clip_text');
const text = new ClipTextModel(clipTextConfigFromHuggingFace(JSON.parse(clip.metadata.config!)));
text.loadStateDict(withoutPrefix(clip.tensors, 'weights/'));
write('clip_text', 'model.safetensors', await text.stateDict(), clipTextConfigToHuggingFace(text.config));

const WEIGHTS = 'diffusion_pytorch_model.safetensors';
const unets = golden('diffusers_unet');
for (const [name, { config }] of Object.entries<{ config: object }>(JSON.parse(unets.metadata.configs!))) {
  const unet = new UNet(unetConfigFromDiffusers({ ...config }));
  unet.loadStateDict(withoutPrefix(unets.tensors, `${name}/weights/`));
  write(
    `diffusers/${name}`,
    WEIGHTS,
    await unet.stateDict({ layout: 'diffusers' }),
    unetConfigToDiffusers(unet.config),
  );
}

const tiny = golden('diffusers_autoencoders');
const { config } = JSON.parse(tiny.metadata.configs!).autoencoder_tiny as { config: object };
const autoencoder = autoencoderFromDiffusers({ _class_name: 'AutoencoderTiny', ...config });
autoencoder.loadStateDict(withoutPrefix(tiny.tensors, 'autoencoder_tiny/weights/'));
const state = await autoencoder.stateDict({ layout: 'diffusers' });
write('diffusers/autoencoder_tiny', WEIGHTS, state, autoencoderConfigToDiffusers(autoencoder.config));

const ldm = golden('ldm_unet');
for (const [name, { config }] of Object.entries<{ config: object }>(JSON.parse(ldm.metadata.configs!))) {
  const unet = new UNet(unetConfigFromLdm({ ...config })).loadStateDict(withoutPrefix(ldm.tensors, `${name}/weights/`));
  write(`ldm/${name}`, 'model.safetensors', await unet.stateDict(), config);
}
const stages = golden('ldm_autoencoder');
const params = JSON.parse(stages.metadata.configs!) as Record<
  'vq_f4' | 'kl_f8',
  Parameters<typeof autoencoderFromLdm>[0]
>;
for (const name of ['vq_f4', 'kl_f8'] as const) {
  const stage = autoencoderFromLdm(params[name]);
  stage.loadStateDict(withoutPrefix(stages.tensors, `${name}/weights/`));
  write(`ldm/${name}`, 'model.safetensors', await stage.stateDict(), params[name]);
}
await writeExports(join(folder, 'export'));
