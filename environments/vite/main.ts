/// <reference types="vite/client" />
import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { schedulerFromConfig } from '@sd/schedulers';
import { UNet } from '@sd/unet';
import plain from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simd from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threaded from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import type { Tensor4D } from '@tensorflow/tfjs-core';

/** Samples a picture with a random network and says in the title how it went. */
async function main(): Promise<void> {
  const { name } = await useBackend('wasm', {
    wasmPaths: {
      'tfjs-backend-wasm.wasm': plain,
      'tfjs-backend-wasm-simd.wasm': simd,
      'tfjs-backend-wasm-threaded-simd.wasm': threaded,
    },
  });
  const model = new UNet({
    imageSize: 8,
    inChannels: 3,
    outChannels: 3,
    modelChannels: 8,
    channelMult: [1, 2],
    numResBlocks: 1,
    attentionResolutions: [2],
    numHeads: 2,
    normGroups: 4,
    resample: 'wavelet',
  }).initialize(randomKey(0));
  const scheduler = schedulerFromConfig({ _class_name: 'DDIMScheduler' });
  const noise = normal(randomKey(1), [1, 8, 8, 3]) as Tensor4D;
  const image = await scheduler.sample((x, t) => model.forward(x, t), noise, { steps: 3 });
  const finite = (await image.data()).every(Number.isFinite);
  document.title = finite ? `done: ${name} ${image.shape}` : 'the samples are not finite';
}

main().catch((error: unknown) => {
  document.title = `failed: ${String(error)}`;
});
