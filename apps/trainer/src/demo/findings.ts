import type { FrequencyErrors, ModelReport } from '../report/report-data';

/** Says what came out, whatever it is: computed from the numbers, never written by hand. */
export function findings(models: readonly ModelReport[], firstStage: FrequencyErrors): string[] {
  const [teacher, lite, sd] = (['teacher', 'lite', 'sd'] as const).map((name) => {
    const model = models.find((candidate) => candidate.name === name);
    if (!model) throw new Error(`findings: no model ${name}`);
    return model;
  });
  const times = (a: number, b: number) => `${(a / b).toFixed(1)} times`;
  return [
    `SD has ${times(teacher.parameters, sd.parameters)} fewer parameters and ${times(teacher.macs, sd.macs)} fewer MACs than the teacher, and takes ${times(sd.sampling.stepsPerSecond, teacher.sampling.stepsPerSecond)} as many steps per second.`,
    compare('high', lite, sd),
    compare('low', lite, sd),
    `The first stage alone has a high-frequency error of ${firstStage.high.toFixed(3)}; the teacher's samples one of ${teacher.errors.high.toFixed(3)}.`,
  ];
}

function compare(band: 'low' | 'high', lite: ModelReport, sd: ModelReport): string {
  const [a, b] = [lite.errors[band], sd.errors[band]];
  const change = `${Math.abs((1 - b / a) * 100).toFixed(0)}%`;
  const outcome =
    b < a
      ? `SD is closer to the data, by ${change}`
      : b > a
        ? `Lite is closer to the data: SD's error is ${change} larger`
        : 'neither is closer';
  return `${band === 'high' ? 'High' : 'Low'} frequencies (${sd.evaluated} samples each): error ${b.toFixed(3)} for SD, ${a.toFixed(3)} for Lite; ${outcome}.`;
}
