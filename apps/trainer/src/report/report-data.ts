/** Everything that the HTML report shows, as plain data: `report.json` beside the page holds the same. */
export type ReportData = {
  readonly title: string;
  /** One sentence under the title. */
  readonly subtitle: string;
  /** ISO date and time of the run. */
  readonly date: string;
  /** Which backend ran it and why, in one line. */
  readonly backend: string;
  readonly seed: number;
  /** The command that makes the report again. */
  readonly command: string;
  readonly data: {
    readonly description: string;
    readonly grid: ImageGrid;
    readonly spectrum: Spectrum;
  };
  readonly firstStage: {
    readonly description: string;
    readonly parameters: number;
    /** Height, width and channels. */
    readonly imageShape: readonly [number, number, number];
    readonly latentShape: readonly [number, number, number];
    /** Of reconstructions of held-out images, in dB. */
    readonly psnr: number;
    /** Pictures above, their reconstructions below. */
    readonly grid: ImageGrid;
    /** Errors of reconstructed data: what no model in this latent space can beat. */
    readonly errors: FrequencyErrors;
    /** Of the same reconstructions as the errors. */
    readonly spectrum?: Spectrum;
  };
  readonly models: readonly ModelReport[];
  readonly gates: readonly GateCurve[];
  readonly timings: readonly { readonly name: string; readonly seconds: number }[];
  /** Plain sentences that say what came out, whatever it is. */
  readonly findings: readonly string[];
};

export type ModelReport = {
  readonly name: 'teacher' | 'lite' | 'sd';
  /** As in the paper: LDM (teacher), Lite-LDM, SD. */
  readonly label: string;
  readonly description: string;
  readonly parameters: number;
  readonly macs: number;
  readonly training: {
    /** False where finished weights were shipped. */
    readonly live: boolean;
    readonly steps: number;
    readonly batchSize: number;
    readonly seconds: number | null;
    readonly loss: readonly { readonly step: number; readonly loss: number }[];
    /** Other logged terms by name (spatial, frequency), for distilled models. */
    readonly parts: Readonly<Record<string, readonly { readonly step: number; readonly value: number }[]>>;
  };
  readonly sampling: {
    readonly sampler: string;
    readonly steps: number;
    /** Denoising steps per second at this batch size, measured alone on the machine. */
    readonly stepsPerSecond: number;
    readonly batchSize: number;
  };
  readonly samples: ImageGrid;
  readonly spectrum: Spectrum;
  readonly errors: FrequencyErrors;
  /** Number of samples that the errors and the spectrum are of. */
  readonly evaluated: number;
};

/** Radially averaged power: frequency as a fraction of Nyquist. */
export type Spectrum = { readonly frequency: readonly number[]; readonly power: readonly number[] };

/** Mean difference of log power from the data's, below and above a quarter of Nyquist (nepers). */
export type FrequencyErrors = { readonly low: number; readonly high: number };

/** A PNG as a data URI with its size in pixels and cells. */
export type ImageGrid = {
  readonly dataUri: string;
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
};

/** Gates of one module over the diffusion time: mean and deviation over samples and channels, per band. */
export type GateCurve = {
  /** Name in the state dict. */
  readonly module: string;
  readonly direction: 'down' | 'up';
  readonly t: readonly number[];
  readonly bands: Readonly<
    Record<'ll' | 'lh' | 'hl' | 'hh', { readonly mean: readonly number[]; readonly deviation: readonly number[] }>
  >;
};
