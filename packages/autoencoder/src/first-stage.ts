import type { StateDict, TensorFile, TensorView } from '@sd/checkpoint';
import {
  type FoundLayout,
  type LayoutOptions,
  type LoadOptions,
  type LoadPlan,
  Module,
  ownLayout,
  renamed,
  type StateDictLayout,
  type TensorShapes,
} from '@sd/nn';
import type { AutoencoderArchitecture } from './config';
import { diffusersName } from './diffusers-name';

/** What a first stage's training keeps in its checkpoint and no model has: LPIPS, discriminator, logvar; averages. */
const TRAINING = ['loss.', 'model_ema.'];
const PLACES = [{ prefix: '' }, { prefix: 'first_stage_model.' }] as const;

/**
 * What the first stages of LDM have in common: they are read and written under the names of CompVis latent-diffusion,
 * alone or in a diffusion model's file (`first_stage_model.`), and under those of diffusers (`vae/`), whose older files
 * name attention's parts otherwise. What LDM's training left in a file (`loss.`) is set aside.
 */
export abstract class FirstStage extends Module {
  abstract readonly config: AutoencoderArchitecture;
  #setAside: readonly string[] = [];

  /** Names of the last loaded state dict that belong to a training (`loss.*`, `model_ema.*`) and were passed over. */
  get setAside(): readonly string[] {
    return this.#setAside;
  }

  override stateDictLayouts(): StateDictLayout[] {
    const parameters = this.parameters();
    const diffusers = (attention: 'present' | 'deprecated'): StateDictLayout => ({
      project: 'diffusers',
      tensors: new Map(
        [...parameters].map(([name, { torchShape }]) => {
          const renaming = diffusersName(name, this.config.chMult.length, attention);
          return [name, renamed(renaming.name, renaming.linear ? torchShape.slice(0, 2) : torchShape)];
        }),
      ),
    });
    return [ownLayout('CompVis latent-diffusion', this, PLACES), diffusers('present'), diffusers('deprecated')];
  }

  /** @throws {StateDictError} as `loadStateDict`. */
  override planLoad(header: TensorShapes, options: LayoutOptions = {}): LoadPlan {
    return super.planLoad(withoutTraining(header), options);
  }

  override detectLayout(header: TensorShapes, options: LayoutOptions = {}): FoundLayout {
    return super.detectLayout(withoutTraining(header), options);
  }

  /**
   * Takes a state dict of latent-diffusion (also of a whole diffusion model) or of diffusers, of any floating-point type;
   * `loadedLayout` tells which it was, `setAside` what of it was passed over. Strict, all or nothing.
   *
   * @throws {StateDictError} that lists every missing, unexpected and mis-shaped name at once.
   */
  override loadStateDict(state: StateDict, options: LoadOptions = {}): this {
    const kept: ReadonlyMap<string, TensorView> = withoutTraining(state);
    super.loadStateDict(kept, options);
    this.#setAside = [...state.keys()].filter((name) => !kept.has(name));
    return this;
  }

  /** As `loadStateDict`, from a file that is read by ranges, one parameter at a time. @throws {StateDictError} */
  override async loadFrom(file: TensorFile, options: LoadOptions = {}): Promise<this> {
    await super.loadFrom(file, options);
    this.#setAside = file.names.filter(isTraining);
    return this;
  }
}

function withoutTraining<T>(state: ReadonlyMap<string, T>): Map<string, T> {
  return new Map([...state].filter(([name]) => !isTraining(name)));
}

function isTraining(name: string): boolean {
  return PLACES.some(({ prefix }) => TRAINING.some((start) => name.startsWith(prefix + start)));
}
