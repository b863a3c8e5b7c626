// What the page and the command `sd` share, so that both make the same images of a seed.
export { isTextEncoderFile, TEXT_ENCODER_FOLDERS } from '../../trainer/src/conditions/text-encoder-files';
export { DeadLeaves } from '../../trainer/src/data/dead-leaves';
export { type LatentShape, type NoiseDraws, seededDraws } from '../../trainer/src/sampling/noise-draws';
export {
  SAMPLER_NAMES,
  SIGMA_FIELDS,
  type SigmaSpacing,
  samplerScheduler,
  takesEta,
} from '../../trainer/src/sampling/samplers';
