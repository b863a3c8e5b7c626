import { waveletNames } from '@sd/wavelet';
import type { DroppedFile } from '../dropped-file';
import type { ModelId } from '../model-id';
import type {
  BackendChoice,
  BackendState,
  Comparison,
  FilterResponse,
  FirstStageOutcome,
  GateFrame,
  GateSettings,
  MemoryState,
  ModelInfo,
  SampleFrame,
  Sheet,
  ToyFrame,
  ToySettings,
  WaveletOutcome,
  WaveletSettings,
  WorkerEvent,
} from '../protocol';
import type { SampleSettings } from '../settings/sample-settings';
import { checkSamplers, describe } from './describe';
import { droppedModel } from './dropped-model';
import { compare } from './jobs/compare';
import { firstStage } from './jobs/first-stage';
import { gates } from './jobs/gates';
import { sample } from './jobs/sample';
import { wavelets } from './jobs/wavelets';
import { filterResponse } from './jobs/wiener';
import { deviceLimits } from './limits';
import type { Waiting } from './load-parts';
import type { Pipeline } from './pipeline';
import { Session } from './session';
import { transferred } from './transferred';

/** What can run: one at a time; a second one of the same name takes the place of the first. */
export type JobName =
  | 'backend'
  | 'models'
  | 'adopt'
  | 'sample'
  | 'compare'
  | 'gates'
  | 'wavelets'
  | 'toy'
  | 'first-stage';

type OnProgress = (done: number, total: number) => void;

/** The worker as the page calls it. */
export class Playground {
  readonly #session = new Session((event) => this.#tell?.(event));
  #tell: ((event: WorkerEvent) => void) | undefined;
  readonly #running = new Map<JobName, AbortController>();
  #last: Promise<unknown> = Promise.resolve();

  /** @param tell hears of backends and of lost devices from now on. */
  listen(tell: (event: WorkerEvent) => void): void {
    this.#tell = tell;
  }

  start(choice: BackendChoice, allowSoftware: boolean): Promise<BackendState> {
    for (const running of this.#running.values()) running.abort();
    return this.#run('backend', () => this.#session.start(choice, allowSoftware));
  }

  cancel(...jobs: JobName[]): void {
    for (const job of jobs) this.#running.get(job)?.abort();
  }

  memory(): MemoryState {
    return this.#session.memory();
  }

  loseDevice(): void {
    this.#session.loseDevice();
  }

  describe(id: ModelId): Promise<ModelInfo> {
    return this.#run('models', async () => describe(id, await this.#session.model(id)), false);
  }

  /** Makes the model `own` of dropped files. */
  adopt(files: readonly DroppedFile[], onProgress: OnProgress): Promise<ModelInfo> {
    return this.#run('adopt', async (signal) => {
      const load = (waiting: Waiting = {}) =>
        droppedModel(files, () => this.#session.firstStage(), deviceLimits(), waiting);
      const info = describe('own', await this.#session.adopt(load, { onProgress, signal }));
      checkSamplers(info);
      return info;
    });
  }

  /** The settings in a PNG that the page has saved. */
  async settingsOf(file: File): Promise<SampleSettings> {
    const { settingsOfPng } = await import('./png');
    return settingsOfPng(new Uint8Array(await file.arrayBuffer()));
  }

  sample(settings: SampleSettings, watch: boolean, onFrame: (frame: SampleFrame) => void, onStep: OnProgress) {
    return this.#run('sample', async (signal) => {
      const pipeline = await this.#model(settings.model, signal);
      const frames = (frame: SampleFrame) => onFrame(transferred(frame));
      return transferred(await sample(pipeline, settings, { onFrame: watch ? frames : undefined, onStep, signal }));
    });
  }

  compare(settings: SampleSettings, onStep: OnProgress): Promise<Comparison> {
    return this.#run('compare', async (signal) =>
      transferred(await compare((id) => this.#model(id, signal), settings, onStep, signal)),
    );
  }

  gates(settings: GateSettings, onFrame: (frame: GateFrame) => void): Promise<void> {
    return this.#run('gates', async (signal) => {
      const pipeline = await this.#model(settings.model, signal);
      await gates(pipeline, settings, (frame) => onFrame(transferred(frame)), signal);
    });
  }

  /** Of the timesteps, at once: it needs no backend. */
  filterResponses(times: readonly number[], exponent: number): FilterResponse[] {
    return times.map((t) => filterResponse(t, exponent));
  }

  waveletNames(): readonly string[] {
    return waveletNames;
  }

  wavelets(file: Blob | null, settings: WaveletSettings, onStep: OnProgress): Promise<WaveletOutcome> {
    return this.#run('wavelets', async (signal) => transferred(await wavelets(file, settings, onStep, signal)));
  }

  toy(settings: ToySettings, onFrame: (frame: ToyFrame) => void, onStep: OnProgress): Promise<ToyFrame> {
    return this.#run('toy', async (signal) => {
      const { toy } = await import('./jobs/toy');
      return toy(settings, onFrame, onStep, signal);
    });
  }

  firstStage(file: Blob | null, size: number, own: boolean, onStep: OnProgress): Promise<FirstStageOutcome> {
    return this.#run('first-stage', async (signal) => {
      const loading = own ? this.#session.ownFirstStage() : this.#session.firstStage();
      const stage = await unlessAborted(loading, signal);
      return transferred(await firstStage(stage, file, size, onStep, signal));
    });
  }

  /** A PNG of pictures, with the settings that made them inside. */
  async png(sheet: Sheet, settings: SampleSettings): Promise<Uint8Array<ArrayBuffer>> {
    const { encodePng } = await import('./png');
    return transferred(encodePng(sheet, settings));
  }

  /** A model, for as long as the job that waits for it is not stopped: what has come of it is kept for the next. */
  async #model(id: ModelId, signal: AbortSignal): Promise<Pipeline> {
    return unlessAborted(this.#session.model(id), signal);
  }

  /**
   * Waits for the jobs before, then runs. A job during which the device was lost runs once more on a new one.
   * @param replaces whether a running job of the name is stopped.
   */
  #run<T>(name: JobName, job: (signal: AbortSignal) => Promise<T>, replaces = true): Promise<T> {
    if (replaces) this.#running.get(name)?.abort();
    const controller = new AbortController();
    const { signal } = controller;
    const run = async () => {
      signal.throwIfAborted();
      if (this.#session.lost !== undefined && name !== 'backend') await this.#session.recover();
      try {
        return await job(signal);
      } catch (error) {
        signal.throwIfAborted();
        await new Promise((resolve) => setTimeout(resolve, 0)); // a loss may be told a moment after what it broke
        if (this.#session.lost === undefined || name === 'backend') throw error;
        await this.#session.recover();
        return await job(signal);
      }
    };
    this.#running.set(name, controller);
    const result = this.#last.then(run).finally(() => {
      if (this.#running.get(name) === controller) this.#running.delete(name);
    });
    this.#last = result.catch(() => undefined);
    return result;
  }
}

/** The promise, unless the signal is aborted first. @throws the signal's reason. */
async function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  let stop = () => {};
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
