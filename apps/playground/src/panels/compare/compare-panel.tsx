import { proxy } from 'comlink';
import { useState } from 'preact/hooks';
import { LineChart } from '../../chart/line-chart';
import { NumberField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { SeedField, StepsField } from '../../components/run-fields';
import { SheetCanvas } from '../../components/sheet-canvas';
import { Workbench } from '../../components/workbench';
import { formatCount, formatRate } from '../../format';
import type { BundledModel } from '../../model-id';
import type { ComparedModel, Comparison } from '../../protocol';
import { readSettings } from '../../settings/hash';
import { SAMPLE_DEFAULTS, SAMPLE_RANGES } from '../../settings/sample-settings';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useFollowedLink } from '../../use-followed-link';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';

const DEFAULTS = { seed: 0, steps: 20, batch: 9 };
const LINKED = { ranges: SAMPLE_RANGES };

export const MODEL_LOOKS: Readonly<Record<BundledModel, { color: string; dash?: string }>> = {
  teacher: { color: 'var(--teacher)', dash: '7 4' },
  lite: { color: 'var(--lite)', dash: '2 3' },
  sd: { color: 'var(--sd)' },
};

const TASK = { label: 'Comparing', unit: 'steps' };

/** Teacher, Lite and SD from the same noise. */
export function ComparePanel({ client, ready, active, values, onSettings }: PanelProps) {
  const [settings, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const [result, setResult] = useState<Comparison>();
  const job = useJob();

  const run = async (wanted: typeof DEFAULTS) => {
    const compared = await job.run(TASK, (onProgress) =>
      client.compare({ ...SAMPLE_DEFAULTS, ...wanted }, proxy(onProgress)),
    );
    if (compared !== undefined) setResult(compared);
  };
  useFollowedLink(ready && active, values, () => void run(readSettings(values, DEFAULTS, LINKED)));

  return (
    <Workbench
      start={{ text: 'Compare', ready, run: () => void run(settings) }}
      job={job}
      onCancel={() => void client.cancel('compare')}
      controls={
        <>
          <SeedField value={settings.seed} onChange={(seed) => change({ seed })} />
          <StepsField value={settings.steps} onChange={(steps) => change({ steps })} />
          <NumberField
            label="Images of each"
            value={settings.batch}
            min={1}
            max={64}
            onChange={(batch) => change({ batch })}
          />
        </>
      }
    >
      {result && <Result result={result} />}
    </Workbench>
  );
}

function Result({ result: { models, scale } }: { result: Comparison }) {
  return (
    <>
      <div class="trio">
        {models.map((model) => (
          <Figure key={model.id} title={model.info.label}>
            <SheetCanvas sheet={model.images} label={`Pictures by ${model.info.label}`} />
          </Figure>
        ))}
      </div>
      <Numbers models={models} />
      <Figure title="Radial spectra" note="fine detail is at the right">
        <LineChart
          label="Power over frequency of the pictures of teacher, Lite and SD"
          x={{ label: 'frequency, as a fraction of Nyquist’s', min: 0, max: 1 }}
          y={{ label: 'power', log: true }}
          series={models.map(({ id, info, spectrum }) => ({
            name: info.label,
            x: spectrum.frequency,
            y: spectrum.power,
            ...MODEL_LOOKS[id],
          }))}
        />
      </Figure>
      <div class="trio">
        {models.map((model) => (
          <Figure key={model.id} title={model.info.label} note="log |DFT|, mean">
            <SheetCanvas sheet={model.dft} label={`Mean log magnitude of the DFT of pictures by ${model.info.label}`} />
          </Figure>
        ))}
      </div>
      <div class="trio">
        <div class="explanation">
          <h3>Difference of the DFTs</h3>
          <p class="muted">
            To the teacher’s; low frequencies in the middle. <i class="swatch more" /> Orange has more,{' '}
            <i class="swatch less" /> blue has less; full color is a factor of {Math.exp(scale).toFixed(1)}.
          </p>
        </div>
        {models.map(
          ({ id, info, difference }) =>
            difference && (
              <Figure key={id} title={`${info.label} − Teacher`}>
                <SheetCanvas sheet={difference} label={`Difference of the DFTs of ${info.label} and teacher`} />
              </Figure>
            ),
        )}
      </div>
    </>
  );
}

function Numbers({ models }: { models: readonly ComparedModel[] }) {
  const [teacher] = models;
  const ratio = (own: number, base: number) => (own === base ? '' : ` (${(base / own).toFixed(1)}× fewer)`);
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">Model</th>
          <th scope="col">Parameters</th>
          <th scope="col">MACs a step and image</th>
          <th scope="col">Steps per second</th>
        </tr>
      </thead>
      <tbody>
        {models.map(({ id, info, stepsPerSecond }) => (
          <tr key={id}>
            <th scope="row">{info.label}</th>
            <td>
              {formatCount(info.parameters)}
              <span class="muted">{ratio(info.parameters, teacher.info.parameters)}</span>
            </td>
            <td>
              {formatCount(info.macs)}
              <span class="muted">{ratio(info.macs, teacher.info.macs)}</span>
            </td>
            <td>
              {formatRate(stepsPerSecond)}
              {id !== 'teacher' && (
                <span class="muted"> ({(stepsPerSecond / teacher.stepsPerSecond).toFixed(1)}× as fast)</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
