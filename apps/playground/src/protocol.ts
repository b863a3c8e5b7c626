import type { SampleSettings } from './settings/sample-settings';

// What page and worker say to each other. All of it is plain data that can be copied or transferred.

export type BackendChoice = 'auto' | 'webgpu' | 'wasm';

export type BackendState = {
  readonly name: string;
  readonly device: string;
  /** One line: the choice, and why others were passed over. */
  readonly explanation: string;
};

/** What the worker tells unasked. */
export type WorkerEvent =
  | { readonly kind: 'backend'; readonly backend: BackendState }
  | { readonly kind: 'lost'; readonly reason: string };

export type MemoryState = {
  readonly tensors: number;
  /** Bytes of all tensors. */
  readonly bytes: number;
  /** Bytes that the backend holds for them, with what it keeps for reuse. */
  readonly reserved: number;
};

/** Equal pictures in a grid, as one picture. */
export type Sheet = {
  /** Pixels of the whole. */
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly count: number;
  /** RGBA, `width` x `height`. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
};

/** Power over radius, as fractions of Nyquist's frequency. */
export type Spectrum = { readonly frequency: readonly number[]; readonly power: readonly number[] };

export type BundledModel = 'teacher' | 'lite' | 'sd';

/** `own` is what was dropped on the page. */
export type ModelId = BundledModel | 'own';

export type SamplerInfo = { readonly name: string; readonly eta: boolean; readonly sigmas: readonly string[] };

export type ModelInfo = {
  readonly id: ModelId;
  readonly label: string;
  readonly parameters: number;
  /** Multiply-accumulates of a step, for one sample. */
  readonly macs: number;
  /** Height and width of its images in pixels. */
  readonly pixels: number;
  readonly latent: readonly [number, number, number];
  readonly predictionType: string;
  readonly resample: 'conv' | 'wavelet';
  /** The samplers that go with it. */
  readonly samplers: readonly SamplerInfo[];
  readonly ownSampler: string;
  readonly trainTimesteps: number;
  /** Number of classes that it can be asked for, 0 where it takes none. */
  readonly classes: number;
  /** Can it be guided? Only where there is a class that means none. */
  readonly guidance: boolean;
  /** What its file said or what was assumed, in sentences. */
  readonly notes: readonly string[];
};

export type Progress = { readonly done: number; readonly total: number };

export type SampleFrame = {
  readonly step: number;
  readonly steps: number;
  readonly t: number;
  /** x after the step, decoded. */
  readonly noisy: Sheet;
  /** The clean image as it is predicted at t, decoded. */
  readonly predicted: Sheet;
  readonly noisySpectrum: Spectrum;
  readonly predictedSpectrum: Spectrum;
};

export type SampleOutcome = {
  readonly images: Sheet;
  readonly spectrum: Spectrum;
  readonly steps: number;
  /** Of the model and the sampler alone, for the whole batch. */
  readonly stepsPerSecond: number;
  readonly seconds: number;
  readonly settings: SampleSettings;
};
