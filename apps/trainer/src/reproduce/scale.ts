/**
 * How much is computed: `tiny` on two cores, `small` on one GPU, `full` the paper's setting; `smoke` takes a few steps of
 * everything to see that it runs, and its numbers mean nothing.
 */
export const SCALES = ['smoke', 'tiny', 'small', 'full'] as const;
export type Scale = (typeof SCALES)[number];
