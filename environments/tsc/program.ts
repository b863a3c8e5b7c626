/** Compiled, never run: every package's types in a strict project without this repository's configuration. */
import { type Autoencoder, AutoencoderKL, createAutoencoder, presets as firstStages } from '@sd/autoencoder';
import { type BackendInfo, useBackend } from '@sd/backend';
import { readSafetensors, type TensorView, toFloat32, writeSafetensors } from '@sd/checkpoint';
import { ClipTextModel, type ClipTextOutput, ClipTokenizer, presets as textModels } from '@sd/clip';
import { normal, randomKey, ShapeError } from '@sd/core';
import { type SpectrumAwareDistillation, spectrumAwareDistillation } from '@sd/distill';
import { type FeatureRows, featureRows, featureStatistics, frechetDistance } from '@sd/metrics';
import { Conv2d, Module, type Parameter, valueAndGradients } from '@sd/nn';
import { AdamW, linearDecay } from '@sd/nn/optim';
import { type Scheduler, schedulerFromConfig } from '@sd/schedulers';
import { type FrequencyErrors, frequencyErrors } from '@sd/spectral-loss';
import { presets, UNet, type UNetConfig } from '@sd/unet';
import { dwt2d, idwt2d, type Subbands } from '@sd/wavelet';
import * as tf from '@tensorflow/tfjs-core';

class Head extends Module {
  readonly conv: Conv2d = this.child('conv', new Conv2d({ inChannels: 3, outChannels: 3, kernel: 3, pad: 1 }));

  forward(x: tf.Tensor4D): tf.Tensor4D {
    return this.conv.forward(x);
  }
}

export async function program(): Promise<Float32Array> {
  const info: BackendInfo = await useBackend('auto');
  if (!info.canTrain) throw new ShapeError('program', 'x', '[N]', [1]);

  const config: UNetConfig = { ...presets['sd-ffhq'], modelChannels: 32 };
  const model = new UNet(config).initialize(randomKey(0));
  const parameters: ReadonlyMap<string, Parameter> = model.parameters();
  const x: tf.Tensor4D = normal<tf.Rank.R4>(randomKey(1), [1, 64, 64, 3]);
  const { value, gradients } = valueAndGradients(() => tf.mean<tf.Scalar>(model.forward(x, [10])), parameters);
  new AdamW(model.parameters()).update(gradients);
  value.dispose();

  const scheduler: Scheduler = schedulerFromConfig({ _class_name: 'DDIMScheduler' });
  const image: tf.Tensor4D = await scheduler.sample((input, t) => model.forward(input, t), x, { steps: 4 });
  const bands: Subbands = dwt2d(image);
  const errors: FrequencyErrors = await frequencyErrors(idwt2d(bands), image);
  const firstStage: Autoencoder = createAutoencoder(firstStages['vq-f4']);
  const latent: tf.Tensor =
    firstStage instanceof AutoencoderKL ? firstStage.encode(image).mean : firstStage.encode(image);
  const distillation: SpectrumAwareDistillation = spectrumAwareDistillation({
    pairs: [{ name: 'output', teacherChannels: 3, studentChannels: 3 }],
  });
  const { total } = distillation.loss({ output: x }, { output: new Head().forward(x) }, x);

  const tokenizer: ClipTokenizer = ClipTokenizer.fromVocabAndMerges('{}', '');
  const text: ClipTextOutput = new ClipTextModel(textModels['clip-vit-large-patch14']).forward(
    tokenizer.encodeAll(['a cat']),
  );

  const rows: FeatureRows = featureRows(Float64Array.of(1, 2, 3, 4), 2);
  const fid: number = frechetDistance(featureStatistics(rows), featureStatistics(rows));

  const bytes: Uint8Array = writeSafetensors(await model.stateDict(), { low: String(errors.low) });
  const view: TensorView | undefined = readSafetensors(bytes).tensors.get('out.2.weight');
  console.log(linearDecay, latent.shape, total.shape, fid, text.pooled.shape);
  if (view === undefined) throw new Error('the output layer is missing');
  return toFloat32(view);
}

// @ts-expect-error: a configuration without sizes is no configuration. Fails where the types are lost (any).
export const wrong: UNetConfig = {};
// @ts-expect-error: the same for what a function takes.
export const wrongBackend = () => useBackend('gpu');
