// For this package's tests and scripts; no part of the package.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readTorch } from '@sd/checkpoint';
import { AutoencoderTiny } from './autoencoder-tiny';
import { tinyPresets } from './presets';

/** TAEF2 with its published weights, images in [0, 1], from the folder of taef2_encoder.pth and taef2_decoder.pth. */
export function publishedTaef2(folder: string): AutoencoderTiny {
  const read = (name: string) => readTorch(new Uint8Array(readFileSync(join(folder, name)))).tensors;
  const model = new AutoencoderTiny({ ...tinyPresets.taef2, range: 'unit' });
  model.encoder.loadStateDict(read('taef2_encoder.pth'));
  model.decoder.loadStateDict(read('taef2_decoder.pth'));
  return model;
}
