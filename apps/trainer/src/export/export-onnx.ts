import { join } from 'node:path';
import { writeAtomically } from '../files/atomic-file';
import { firstStageFactor } from '../files/first-stage-file';
import type { ExportedModel } from './export-ldm';
import { decoderGraph } from './onnx/decoder-graph';
import { tinyDecoderGraph } from './onnx/tiny-decoder-graph';
import { unetGraph } from './onnx/unet-graph';
import { verifyDecoder } from './onnx/verify-decoder';
import { type OnnxCheck, verifyUNet } from './onnx/verify-unet';

/**
 * Writes a model as ONNX: `unet.onnx`, `decoder.onnx`, and the scheduler's configuration beside them. Each graph is run
 * in ONNX Runtime, where that is installed, and compared with the model in this process.
 * @param options.gates also give the gate values. @returns the files, and the errors that were found.
 * @throws {UserError} on what has no form in ONNX, on a graph that ONNX Runtime does not run, and when the files cannot be
 * written.
 */
export async function exportOnnx(
  folder: string,
  { unet, autoencoder, metadata, precision }: ExportedModel,
  { gates }: { readonly gates: boolean },
): Promise<{ files: string[]; notes: string[] }> {
  const { imageSize } = unet.config;
  const { scaleFactor, scheduler } = metadata;
  const facts = {
    scheduler: JSON.stringify(scheduler),
    scaleFactor: String(scaleFactor),
    downsampleFactor: String(firstStageFactor(autoencoder)),
    config: JSON.stringify(metadata.unet),
  };
  const files: string[] = [];
  const notes: string[] = [];
  const write = async (name: string, data: Uint8Array | string) => {
    const path = join(folder, name);
    await writeAtomically(path, data);
    files.push(path);
  };
  const unetFile = unetGraph(unet.config, await unet.stateDict(), { precision, gates }).model(facts);
  await write('unet.onnx', unetFile);
  notes.push(verdict('unet.onnx', await verifyUNet(unetFile, unet)));
  const state = await autoencoder.stateDict();
  const options = { precision, scaleFactor };
  const graph =
    autoencoder.kind === 'tiny'
      ? tinyDecoderGraph(autoencoder.config, state, options)
      : decoderGraph(autoencoder.config, state, options);
  const decoderFile = graph.model(facts);
  await write('decoder.onnx', decoderFile);
  notes.push(verdict('decoder.onnx', await verifyDecoder(decoderFile, autoencoder, scaleFactor, imageSize)));
  await write('scheduler_config.json', `${JSON.stringify(scheduler, null, 2)}\n`);
  return { files, notes };
}

function verdict(file: string, check: OnnxCheck | undefined): string {
  if (check === undefined) {
    return `${file}: not compared, since ONNX Runtime is not installed: \`npm install onnxruntime-node\``;
  }
  const outputs = check.outputs.length === 1 ? 'its output' : `${check.outputs.length} outputs`;
  return `${file}: ONNX Runtime gives ${outputs} to within ${check.relativeError.toExponential(1)} of the largest value`;
}
