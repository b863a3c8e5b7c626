import { formatError } from './format';
import type { FrequencyErrors, ModelReport } from './report-data';

/** The one of Lite and SD that is closer to the data; null where either is missing or the report shows no difference. */
export function betterStudent(models: readonly ModelReport[], band: keyof FrequencyErrors): 'lite' | 'sd' | null {
  const error = (name: ModelReport['name']) => models.find((model) => model.name === name)?.errors[band] ?? Number.NaN;
  const [lite, sd] = [error('lite'), error('sd')];
  if (!Number.isFinite(lite) || !Number.isFinite(sd) || formatError(lite) === formatError(sd)) return null;
  return lite < sd ? 'lite' : 'sd';
}
