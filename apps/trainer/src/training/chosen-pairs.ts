import { type FeaturePair, type NamedShape, OUTPUT_PAIR, pairFeatures } from '@sd/distill';
import { withSuggestion } from '../config/nearest';
import { UserError } from '../user-error';

/** What a distillation compares, as a project has it. */
export type ChosenFeatures = 'all' | 'output' | readonly (string | number)[];

type Side = { readonly channels: number; readonly features: readonly NamedShape[] };

/**
 * The pairs that a distillation compares: the output, and the features that are chosen of those that both models have at
 * the same size. @throws {UserError} that names the nearest feature where one is chosen that is none of them.
 */
export function chosenPairs(teacher: Side, student: Side, chosen: ChosenFeatures): FeaturePair[] {
  const output = { name: OUTPUT_PAIR, teacherChannels: teacher.channels, studentChannels: student.channels };
  if (chosen === 'output') return [output];
  if (chosen === 'all') return [output, ...pairFeatures(teacher.features, student.features)];
  const names = chosen.map((feature) => (typeof feature === 'number' ? `up.${feature}` : feature));
  const shared = student.features.filter((feature) => pairFeatures(teacher.features, [feature]).length > 0);
  for (const name of names) {
    if (shared.some((feature) => feature.name === name)) continue;
    const known = shared.map((feature) => feature.name);
    const which = known.length > 0 ? withSuggestion(name, known) : `"${name}": they share none`;
    throw new UserError(`config: distillation.features: teacher and student do not both have a feature ${which}`);
  }
  return [
    output,
    ...pairFeatures(
      teacher.features,
      shared.filter((feature) => names.includes(feature.name)),
    ),
  ];
}
