// Peak of tf.memory().numBytes in one training step of a UNet, with and without gradient checkpointing, and what is left.
// tsx bench/unet-checkpointing.ts [preset] [size] [batch]
import '@tensorflow/tfjs';
import { useBackend } from '@sd/backend';
import { normal, randomKey } from '@sd/core';
import { valueAndGradients } from '@sd/nn';
import { type PresetName, presets, UNet } from '@sd/unet';
import * as tf from '@tensorflow/tfjs-core';

const [name = 'sd-ffhq', size = '32', batch = '2'] = process.argv.slice(2);
const config = presets[name as PresetName];
await useBackend('wasm');
const model = new UNet(config).initialize(randomKey(0));
const shape = [Number(batch), Number(size), Number(size), config.inChannels] as const;
const x = normal(randomKey(1), [...shape]) as tf.Tensor4D;
const context = config.contextDim
  ? { context: normal(randomKey(2), [shape[0], config.contextLength ?? 77, config.contextDim]) as tf.Tensor3D }
  : {};
console.log(`${name}, ${shape.join('x')}, ${model.parameterCount} parameters`);
for (const checkpointing of [false, true]) {
  const before = tf.memory().numBytes;
  const start = performance.now();
  const { peakBytes } = await tf.profile(() => {
    const loss = () => tf.mean(tf.square(model.forward(x, 500, { ...context, checkpointing }))) as tf.Scalar;
    const { value, gradients } = valueAndGradients(loss, model.parameters());
    tf.dispose([...gradients.values()]);
    return value;
  });
  const seconds = (performance.now() - start) / 1000;
  const mebibytes = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
  const label = checkpointing ? 'with checkpointing' : 'without';
  console.log(`${label}: ${mebibytes(peakBytes)} at the peak, ${mebibytes(before)} before it, ${seconds.toFixed(1)} s`);
}
