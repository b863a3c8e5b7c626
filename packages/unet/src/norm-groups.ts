/** LDM normalizes in 32 groups everywhere (`GroupNorm32`). */
export const LDM_NORM_GROUPS = 32;

/** EDM's `min_channels_per_group`. */
const MIN_CHANNELS_PER_GROUP = 4;

/**
 * Groups for a width when the configuration names none: LDM's 32 where they divide the channels and leave at least 2 to
 * a group; else the most groups of at least 4 channels, 32 at most. With one channel to a group the normalization would
 * remove each channel's mean, and with it the time embedding that a residual block has just added.
 */
export function defaultNormGroups(channels: number): number {
  if (channels % LDM_NORM_GROUPS === 0 && channels >= 2 * LDM_NORM_GROUPS) return LDM_NORM_GROUPS;
  let groups = Math.max(1, Math.min(LDM_NORM_GROUPS, Math.floor(channels / MIN_CHANNELS_PER_GROUP)));
  while (channels % groups !== 0) groups--;
  return groups;
}
