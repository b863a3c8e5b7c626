import { SAMPLE_RANGES } from '../settings/sample-settings';
import { NumberField } from './fields';

type Props = { readonly value: number; readonly onChange: (value: number) => void };

export function SeedField(props: Props) {
  const [min, max] = SAMPLE_RANGES.seed;
  return <NumberField label="Seed" min={min} max={max} {...props} />;
}

/** Steps of sampling. */
export function StepsField({ most = Infinity, ...props }: Props & { readonly most?: number }) {
  const [min, max] = SAMPLE_RANGES.steps;
  return <NumberField label="Steps" min={min} max={Math.min(max, most)} {...props} />;
}
