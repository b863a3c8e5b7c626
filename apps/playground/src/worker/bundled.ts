import { readSafetensors, type TensorFile, type TensorView } from '@sd/checkpoint';
import firstStageUrl from '../../../trainer/pretrained/first-stage.safetensors?url';
import teacherUrl from '../../../trainer/pretrained/teacher.safetensors?url';
import liteUrl from '../../models/lite.safetensors?url';
import sdUrl from '../../models/sd.safetensors?url';
import type { BundledModel } from '../model-id';
import { UserError } from '../user-error';
import { loadDiffusionModel, loadFirstStage, type Metadata, readDiffusionMetadata } from './own-files';
import type { FirstStage, Pipeline } from './pipeline';

const MODELS: Readonly<Record<BundledModel, { readonly url: string; readonly label: string }>> = {
  teacher: { url: teacherUrl, label: 'Teacher' },
  lite: { url: liteUrl, label: 'Lite' },
  sd: { url: sdUrl, label: 'SD' },
};

/** Hears how many bytes have come. */
export type OnBytes = (bytes: number) => void;

export async function bundledFirstStage(onBytes: OnBytes): Promise<FirstStage> {
  const { file, metadata } = await download(firstStageUrl, onBytes);
  return loadFirstStage('first-stage.safetensors', file, metadata);
}

export async function bundledModel(id: BundledModel, firstStage: FirstStage, onBytes: OnBytes): Promise<Pipeline> {
  const { url, label } = MODELS[id];
  const { file, metadata } = await download(url, onBytes);
  const name = `${id}.safetensors`;
  return loadDiffusionModel(name, label, file, readDiffusionMetadata(name, metadata), firstStage);
}

async function download(url: string, onBytes: OnBytes): Promise<{ file: TensorFile; metadata: Metadata }> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new UserError(`${url}: the server answers ${response.status}`);
  const counted = response.body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        onBytes(chunk.length);
        controller.enqueue(chunk);
      },
    }),
  );
  const { tensors, metadata } = readSafetensors(new Uint8Array(await new Response(counted).arrayBuffer()));
  return { file: inMemory(tensors), metadata };
}

function inMemory(tensors: ReadonlyMap<string, TensorView>): TensorFile {
  const get = (name: string) => {
    const view = tensors.get(name);
    if (view === undefined) throw new UserError(`no tensor ${name}`);
    return view;
  };
  return {
    names: [...tensors.keys()],
    info: get,
    tensor: async (name) => get(name),
    async *tensors() {
      yield* tensors;
    },
  };
}
