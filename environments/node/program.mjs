/** A network, a sampler, a transform and a checkpoint of the packed packages, on two backends. */
import assert from 'node:assert/strict';
import '@tensorflow/tfjs';
import { autoencoderLoss, createAutoencoder, presets as firstStages } from '@sd/autoencoder';
import { useBackend } from '@sd/backend';
import { readSafetensors, writeSafetensors } from '@sd/checkpoint';
import { ClipTextModel, presets as textModels } from '@sd/clip';
import { normal, randomKey } from '@sd/core';
import { spectrumAwareDistillation } from '@sd/distill';
import { featureStatistics, frechetDistance, readFeatures, ssim } from '@sd/metrics';
import { valueAndGradients } from '@sd/nn';
import { AdamW } from '@sd/nn/optim';
import { schedulerFromConfig } from '@sd/schedulers';
import { frequencyErrors } from '@sd/spectral-loss';
import { UNet } from '@sd/unet';
import { dwt2d, idwt2d } from '@sd/wavelet';
import * as tf from '@tensorflow/tfjs-core';

const config = {
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
};
const largestDifference = async (a, b) => (await tf.max(tf.abs(tf.sub(a, b))).data())[0];

/** The sampled image of a backend: the same on all. */
async function sampleOn(backend) {
  assert.equal((await useBackend(backend)).name, backend);
  const model = new UNet(config).initialize(randomKey(3));
  const noise = normal(randomKey(4), [1, 8, 8, 3]);

  // The output layer starts at zero: one step of training makes the model do something.
  const loss = () => tf.mean(tf.square(tf.sub(model.forward(noise, 500), noise)));
  const { value, gradients } = valueAndGradients(loss, model.parameters());
  const optimizer = new AdamW(model.parameters(), { learningRate: 1e-2 });
  optimizer.update(gradients);
  assert.ok((await loss().data())[0] < (await value.data())[0], 'a step of AdamW lowers the loss');

  const scheduler = schedulerFromConfig({ _class_name: 'DDIMScheduler' });
  const image = await scheduler.sample((x, t) => model.forward(x, t), noise, { steps: 4 });
  assert.deepEqual(image.shape, [1, 8, 8, 3]);
  assert.ok((await largestDifference(idwt2d(dwt2d(image)), image)) < 1e-5, 'IDWT of DWT is the identity');

  const { tensors } = readSafetensors(writeSafetensors(await model.stateDict()));
  const copy = new UNet(config).loadStateDict(tensors);
  assert.equal(await largestDifference(copy.forward(noise, 10), model.forward(noise, 10)), 0);
  return image.data();
}

const [onCpu, onWasm] = [await sampleOn('cpu'), await sampleOn('wasm')];
const differences = onCpu.map((value, i) => Math.abs(value - onWasm[i]));
assert.ok(Math.max(...differences) < 1e-4, `cpu and wasm differ by ${Math.max(...differences)}`);

const images = normal(randomKey(5), [2, 16, 16, 3]);
const { low, high } = await frequencyErrors(images, images);
assert.deepEqual([low, high], [0, 0]);
const features = featureStatistics(await readFeatures(normal(randomKey(6), [9, 4])));
assert.ok(frechetDistance(features, features) < 1e-9);
assert.ok(Math.abs((await ssim(tf.ones([1, 16, 16, 3]), tf.ones([1, 16, 16, 3])))[0] - 1) < 1e-9);
const firstStage = createAutoencoder(firstStages['tiny-kl-f4']);
assert.deepEqual(firstStage.decode(firstStage.encode(images).mean).shape, [2, 16, 16, 3]);
assert.equal(typeof autoencoderLoss, 'function');
const distillation = spectrumAwareDistillation({ pairs: [{ name: 'output', teacherChannels: 3, studentChannels: 3 }] });
assert.equal((await distillation.loss({ output: images }, { output: images }, images).total.data())[0], 0);
const textModel = new ClipTextModel({ ...textModels['clip-vit-large-patch14'], vocabSize: 10, numHiddenLayers: 1 });
assert.deepEqual(textModel.context([[8, 1, 9]]).shape, [1, 3, 768]);
