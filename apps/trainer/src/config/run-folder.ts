import { join } from 'node:path';

/** Where a project keeps what it makes: one place for every path. */
export class RunFolder {
  constructor(readonly root: string) {}

  /** Folder of the first stage (`first-stage`) or of a model, by name. */
  stage(name: string): StageFolder {
    return new StageFolder(join(this.root, name));
  }

  get firstStage(): StageFolder {
    return this.stage('first-stage');
  }

  /** Folder of the encoded images. */
  get latents(): string {
    return join(this.root, 'latents');
  }

  /** Folder of what a teacher says of noisy examples, where the project names no other. */
  get teacherOutputs(): string {
    return join(this.root, 'teacher-outputs');
  }

  /** Folder of the texts of the latents, encoded. @param encoder its identity. */
  contexts(encoder: string): string {
    return join(this.root, 'contexts', encoder.slice(0, 16));
  }
}

/** Files of one trained thing. */
export class StageFolder {
  constructor(readonly path: string) {}

  /** Everything that a resumed training needs. */
  get checkpoint(): string {
    return join(this.path, 'checkpoint.safetensors');
  }

  /** Earlier checkpoints, where they are kept. */
  get checkpoints(): string {
    return join(this.path, 'checkpoints');
  }

  /** The checkpoint after the lowest loss. */
  get bestCheckpoint(): string {
    return join(this.checkpoints, 'best.safetensors');
  }

  /** Step and loss of the best checkpoint. */
  get best(): string {
    return join(this.checkpoints, 'best.json');
  }

  /** Data of steps whose loss was not finite or far too large. */
  get badBatches(): string {
    return join(this.path, 'bad-batches');
  }

  /** The finished weights, averaged, with their configuration. */
  get weights(): string {
    return join(this.path, 'model.safetensors');
  }

  /** One JSON object per logged step. */
  get metrics(): string {
    return join(this.path, 'metrics.jsonl');
  }

  /** Image grids of a training, a PNG for each. */
  get snapshots(): string {
    return join(this.path, 'samples');
  }

  /** Spectra and gates of the last of them. */
  get snapshot(): string {
    return join(this.path, 'snapshot.json');
  }

  /** The image grid of `sd sample`. */
  get samples(): string {
    return join(this.path, 'samples.png');
  }
}
