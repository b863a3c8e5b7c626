import { formatSeconds } from '../../report/format';
import type { ReproductionResult } from '../reproduction-result';

/** What is to be made of a result of this scale. */
export function seriousness({ scale }: Pick<ReproductionResult, 'scale'>): string {
  return {
    smoke: 'Scale smoke: a few steps, to see that it runs. Its numbers mean nothing.',
    tiny: 'Scale tiny: what two cores compute.',
    small: 'Scale small: what one GPU computes in pieces of minutes.',
    full: 'Scale full: the paper’s setting.',
  }[scale];
}

/** Of computing, as words. */
export function timeSpent({ seconds }: Pick<ReproductionResult, 'seconds'>): string {
  return seconds > 0 ? `${formatSeconds(seconds)} of computing` : 'computed at once';
}
