import { expect, test } from 'vitest';
import * as schedulers from './index';

test('the public names are these', () => {
  const names = Object.keys(schedulers).sort();
  expect(names).toMatchInlineSnapshot(`
    [
      "addNoise",
      "betaTable",
      "clipSample",
      "convertPrediction",
      "cumulativeAlphas",
      "ddimScheduler",
      "ddimStep",
      "ddpmScheduler",
      "ddpmStep",
      "ldmDdimConfig",
      "lossWeight",
      "minSnrWeight",
      "noiseSchedule",
      "p2Weight",
      "predictedNoise",
      "predictedSample",
      "rescaleZeroTerminalSnr",
      "schedulerFromConfig",
      "snr",
      "trainingTarget",
      "velocity",
      "withGuidance",
    ]
  `);
});
