import type { BundledModel, ModelId } from './model-id';
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
  /** Bytes of a model of the page that have come since the last time. */
  | { readonly kind: 'download'; readonly bytes: number }
  | { readonly kind: 'lost'; readonly reason: string }
  /** Told by the page, of the worker itself. */
  | { readonly kind: 'failed'; readonly reason: string };

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
  /** Names of the classes, empty where they are not known. */
  readonly classNames: readonly string[];
  /** Does it take a prompt? */
  readonly prompts: boolean;
  /** Can it be guided? Only where there is a class that means none, or the empty text. */
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

export type ComparedModel = {
  readonly id: BundledModel;
  readonly info: ModelInfo;
  readonly images: Sheet;
  readonly spectrum: Spectrum;
  readonly stepsPerSecond: number;
  /** Mean over the images of log |DFT of luma|, the zero frequency in the middle. */
  readonly dft: Sheet;
  /** The same, minus the teacher's: orange is more, blue is less. Null for the teacher. */
  readonly difference: Sheet | null;
};

export type Comparison = {
  readonly models: readonly ComparedModel[];
  /** What full color in `difference` stands for, a natural logarithm. */
  readonly scale: number;
};

export type Band = 'll' | 'lh' | 'hl' | 'hh';

/** Gates of a module at one timestep: over the samples, of each sample's mean over channels. */
export type GateValues = {
  readonly module: string;
  readonly direction: 'down' | 'up';
  readonly bands: Readonly<Record<Band, { readonly mean: number; readonly deviation: number }>>;
};

export type GateFrame = {
  readonly t: number;
  readonly step: number;
  readonly steps: number;
  readonly modules: readonly GateValues[];
  readonly predicted: Sheet;
};

export type GateSettings = {
  readonly model: ModelId;
  readonly samples: number;
  readonly steps: number;
  readonly seed: number;
};

/** Responses of Proposition 1's filters at the same frequencies. */
export type FilterResponse = {
  readonly t: number;
  readonly alphaCumprod: number;
  readonly frequency: readonly number[];
  /** |G|^2, of what estimates the image. */
  readonly signal: readonly number[];
  /** H, of what estimates the noise. */
  readonly noise: readonly number[];
  /** H as the paper prints it. */
  readonly noisePublished: readonly number[];
};

export type WaveletSettings = {
  readonly wavelet: string;
  readonly mode: string;
  readonly level: number;
  /** Bands that are left out: `ll`, or level and band as `1hh`, level 1 being the finest. */
  readonly off: readonly string[];
};

export type WaveletOutcome = {
  readonly original: Sheet;
  readonly pyramid: Sheet;
  readonly reconstruction: Sheet;
  /** In dB; infinite where no pixel differs. */
  readonly psnr: number;
  readonly levels: number;
  readonly maxLevels: number;
  /** Share of the coefficients' energy, by the names of `WaveletSettings.off`. */
  readonly energy: Readonly<Record<string, number>>;
};

export type FirstStageOutcome = {
  readonly original: Sheet;
  readonly decoded: Sheet;
  /** Four times the difference, around grey. */
  readonly difference: Sheet;
  /** The latent's channels. */
  readonly latent: Sheet;
  readonly latentShape: readonly [number, number, number];
  readonly pixels: number;
  readonly psnr: number;
  readonly spectra: { readonly original: Spectrum; readonly decoded: Spectrum };
  readonly parameters: number;
};

export type ToySettings = { readonly steps: number; readonly seed: number; readonly samples: number };

/** A hidden width's state. */
export type ToyModel = {
  readonly width: number;
  readonly parameters: number;
  /** Loss, averaged over the last steps. */
  readonly loss: number;
  /** Samples by the frequency of their largest coefficient, 0, 1, 2, ... */
  readonly histogram: readonly number[];
  /** A few of the samples, `points` values each. */
  readonly examples: readonly (readonly number[])[];
};

export type ToyFrame = {
  readonly step: number;
  readonly steps: number;
  readonly samples: number;
  readonly models: readonly ToyModel[];
};
