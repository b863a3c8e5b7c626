import { type BackendInfo, releaseBackend, useBackend } from '@sd/backend';
import plainUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import threadedUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-threaded-simd.wasm?url';
import * as tf from '@tensorflow/tfjs-core';
import type { ModelId } from '../model-id';
import type { BackendChoice, BackendState, MemoryState, WorkerEvent } from '../protocol';
import { UserError } from '../user-error';
import { bundledFirstStage, bundledModel } from './bundled';
import type { Waiting } from './load-parts';
import type { FirstStage, Pipeline } from './pipeline';

const WASM_PATHS = {
  'tfjs-backend-wasm.wasm': plainUrl,
  'tfjs-backend-wasm-simd.wasm': simdUrl,
  'tfjs-backend-wasm-threaded-simd.wasm': threadedUrl,
};

/** The backend and the models on it. A new backend, asked for or after a device was lost, loads its models again. */
export class Session {
  #choice: BackendChoice = 'auto';
  #allowSoftware = false;
  #info: BackendInfo | undefined;
  #lost: string | undefined;
  #firstStage: Promise<FirstStage> | undefined;
  readonly #models = new Map<ModelId, Promise<Pipeline>>();
  #own: (() => Promise<Pipeline>) | undefined;

  constructor(private readonly tell: (event: WorkerEvent) => void) {}

  /** Starts a backend; models of the one before are gone. @throws BackendError */
  async start(choice: BackendChoice, allowSoftware: boolean): Promise<BackendState> {
    this.#choice = choice;
    this.#allowSoftware = allowSoftware;
    await this.#forget();
    return this.#begin();
  }

  /** The reason, if the device is lost. */
  get lost(): string | undefined {
    return this.#lost;
  }

  /** After the device was lost: a new one, or where there is none the next backend. */
  async recover(): Promise<void> {
    this.#models.clear();
    this.#firstStage = undefined;
    await this.#begin();
  }

  async #begin(): Promise<BackendState> {
    const options = { wasmPaths: WASM_PATHS, allowSoftware: this.#allowSoftware };
    const info = await useBackend(this.#choice, options);
    if (info.name === 'webgpu') await (await import('@sd/webgpu')).registerWebGPUKernels();
    this.#info = info;
    this.#lost = undefined;
    info.lost?.then((reason) => {
      if (this.#info !== info) return; // given back on purpose
      this.#lost = reason;
      this.tell({ kind: 'lost', reason });
    });
    const backend = { name: info.name, device: info.device, explanation: info.explanation };
    this.tell({ kind: 'backend', backend });
    return backend;
  }

  async #forget(): Promise<void> {
    const models = await Promise.allSettled(this.#models.values());
    const firstStage = await this.#firstStage?.catch(() => undefined);
    this.#models.clear();
    this.#firstStage = undefined;
    if (this.#info === undefined) return;
    if (this.#lost === undefined) {
      for (const model of models) if (model.status === 'fulfilled') disposeOf(model.value, firstStage);
      firstStage?.network.dispose();
    }
    this.#info = undefined;
    await releaseBackend();
  }

  /** The model, loaded at its first use. @throws {UserError} */
  model(id: ModelId): Promise<Pipeline> {
    let model = this.#models.get(id);
    if (model === undefined) {
      model = this.#load(id);
      this.#models.set(id, model);
      model.catch(() => this.#models.delete(id)); // to be tried again
    }
    return model;
  }

  /** A model is long on its way where the network is slow. */
  readonly #onBytes = (bytes: number) => this.tell({ kind: 'download', bytes });

  /** The bundled first stage. */
  firstStage(): Promise<FirstStage> {
    if (this.#firstStage === undefined) {
      this.#firstStage = bundledFirstStage(this.#onBytes);
      this.#firstStage.catch(() => {
        this.#firstStage = undefined;
      });
    }
    return this.#firstStage;
  }

  /** The first stage of the dropped model. @throws {UserError} where there is none. */
  async ownFirstStage(): Promise<FirstStage> {
    const { firstStage, label } = await this.model('own');
    if (firstStage === null) throw new UserError(`${label} works on pixels, and has no first stage`);
    return firstStage;
  }

  async #load(id: ModelId): Promise<Pipeline> {
    if (id !== 'own') return bundledModel(id, await this.firstStage(), this.#onBytes);
    if (this.#own === undefined) throw new UserError('no model was dropped on this page yet');
    return this.#own();
  }

  /** Takes a dropped model in place of the last one. @param load also makes it again after a device was lost. */
  async adopt(load: (waiting?: Waiting) => Promise<Pipeline>, waiting: Waiting): Promise<Pipeline> {
    const model = await load(waiting);
    const before = await this.#models.get('own')?.catch(() => undefined);
    if (before) disposeOf(before, await this.firstStage());
    this.#own = () => load();
    this.#models.set('own', Promise.resolve(model));
    return model;
  }

  /** For tests: what a driver's crash does. */
  loseDevice(): void {
    const backend = tf.backend() as { readonly device?: GPUDevice };
    if (backend.device === undefined) throw new UserError(`${tf.getBackend()} has no device to lose`);
    backend.device.destroy();
  }

  memory(): MemoryState {
    if (this.#info === undefined) return { tensors: 0, bytes: 0, reserved: 0 };
    const memory = tf.memory() as tf.MemoryInfo & { readonly numBytesInGPU?: number };
    const backend = tf.backend() as { readonly wasm?: { readonly HEAPU8?: Uint8Array } };
    const reserved = memory.numBytesInGPU ?? backend.wasm?.HEAPU8?.length ?? memory.numBytes;
    return { tensors: memory.numTensors, bytes: memory.numBytes, reserved };
  }
}

/** @param shared a first stage that other models use, too. */
function disposeOf({ unet, firstStage, condition }: Pipeline, shared: FirstStage | undefined): void {
  unet.dispose();
  if (condition.kind === 'classes') condition.embedder.dispose();
  if (condition.kind === 'text') condition.encoder.model.dispose();
  if (firstStage !== null && firstStage.network !== shared?.network) firstStage.network.dispose();
}
