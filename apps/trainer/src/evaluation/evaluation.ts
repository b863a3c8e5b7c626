import { z } from 'zod';

const number = z.number();
const spectrum = z.object({ frequency: z.array(number), power: z.array(number) });

/** What `sd evaluate` writes, and reads to put runs side by side. */
export const evaluationSchema = z.object({
  format: z.literal('sd-evaluation-1'),
  /** What was measured: a model's name or a folder. */
  name: z.string(),
  /** ISO date and time. */
  date: z.string(),
  backend: z.string(),
  generated: z.object({ description: z.string(), count: number, size: number }),
  reference: z.object({ description: z.string(), count: number, pixels: z.string() }),
  features: z.object({ network: z.enum(['inception-v3', 'squeezenet-1.0']), sha256: z.string() }),
  metrics: z.object({
    /** Frechet distance on Inception's features alone. */
    fid: number.optional(),
    /** Frechet distance on SqueezeNet's features: to be compared with its like only. */
    frechetSqueezeNet: number.optional(),
    /** Mean and deviation over subsets. */
    kid: z.object({ mean: number, deviation: number, subsets: number, size: number }),
    precision: number,
    recall: number,
    /** Images of each set that precision, recall and KID are of: the first ones. */
    single: z.object({ generated: number, reference: number }),
    /** Nats of power. Yang et al. 2023, Table 1; the definition is the project's. */
    lowFrequencyError: number,
    highFrequencyError: number,
  }),
  /** Geometric means over the images, by radius as a fraction of the Nyquist frequency. */
  spectra: z.object({ generated: spectrum, reference: spectrum }),
  model: z
    .object({
      weights: z.string(),
      sha256: z.string(),
      parameters: number,
      /** Of one step and sample, without attention's products. */
      macs: number,
    })
    .optional(),
  sampling: z
    .object({
      scheduler: z.record(z.string(), z.unknown()),
      steps: number,
      seed: number,
      eta: number.optional(),
      guidance: number.optional(),
      sampler: z.string().optional(),
      sigmas: z.string().optional(),
    })
    .optional(),
  /** Denoising steps a second: the median of the runs. */
  throughput: z.object({ stepsPerSecond: number, batchSize: number, runs: number }).optional(),
});

export type Evaluation = z.infer<typeof evaluationSchema>;
