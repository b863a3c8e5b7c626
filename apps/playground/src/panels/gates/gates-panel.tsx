import { proxy } from 'comlink';
import { useState } from 'preact/hooks';
import { LineChart, type Series } from '../../chart/line-chart';
import { NumberField, SelectField } from '../../components/fields';
import { Figure } from '../../components/figure';
import { SeedField, StepsField } from '../../components/run-fields';
import { SheetCanvas } from '../../components/sheet-canvas';
import { Workbench } from '../../components/workbench';
import type { ModelId } from '../../model-id';
import type { Band, GateFrame } from '../../protocol';
import { readSettings } from '../../settings/hash';
import { useLinkedSettings } from '../../settings/use-linked-settings';
import { useFollowedLink } from '../../use-followed-link';
import { useJob } from '../../use-job';
import type { PanelProps } from '../panel-props';

const DEFAULTS = { model: 'sd', samples: 32, steps: 25, seed: 0 };
const LINKED = {
  ranges: { samples: [1, 100], steps: [1, 1000], seed: [0, 2 ** 31 - 1] },
  choices: { model: ['sd', 'own'] },
} as const;

const BANDS: readonly { readonly key: Band; readonly name: string; readonly dash?: string }[] = [
  { key: 'll', name: 'LL, coarse' },
  { key: 'lh', name: 'LH, horizontal edges', dash: '7 3' },
  { key: 'hl', name: 'HL, vertical edges', dash: '2 3' },
  { key: 'hh', name: 'HH, diagonal detail', dash: '8 3 2 3' },
];

const TASK = { label: 'Drawing samples', unit: 'steps' };

/** Figure 9: the gates of each module over t, live while samples are drawn. */
export function GatesPanel({ client, ready, active, values, onSettings }: PanelProps) {
  const [settings, change] = useLinkedSettings({ values, onSettings }, DEFAULTS, LINKED);
  const [frames, setFrames] = useState<readonly GateFrame[]>([]);
  const job = useJob();

  const run = async (wanted: typeof DEFAULTS) => {
    const collected: GateFrame[] = [];
    setFrames([]);
    await job.run(TASK, (onProgress) =>
      client.gates(
        { ...wanted, model: wanted.model as ModelId },
        proxy((frame: GateFrame) => {
          collected.push(frame);
          setFrames([...collected]);
          onProgress(frame.step, frame.steps);
        }),
      ),
    );
  };
  useFollowedLink(ready && active, values, () => void run(readSettings(values, DEFAULTS, LINKED)));

  const modules = frames[0]?.modules ?? [];
  const last = frames.at(-1);
  const range = rangeOf(frames);
  return (
    <Workbench
      start={{ text: 'Draw and watch', ready, run: () => void run(settings) }}
      job={job}
      onCancel={() => void client.cancel('gates')}
      controls={
        <>
          <SelectField
            label="Model"
            value={settings.model}
            options={MODELS}
            hint="Of those here SD alone has gates."
            onChange={(model) => change({ model })}
          />
          <NumberField
            label="Samples"
            value={settings.samples}
            min={1}
            max={100}
            onChange={(samples) => change({ samples })}
          />
          <StepsField value={settings.steps} onChange={(steps) => change({ steps })} />
          <SeedField value={settings.seed} onChange={(seed) => change({ seed })} />
        </>
      }
    >
      {last && (
        <Figure narrow title="Predicted x₀" note={`of the first samples, at t = ${Math.round(last.t)}`}>
          <SheetCanvas sheet={last.predicted} label={`Predicted clean images at t = ${Math.round(last.t)}`} />
        </Figure>
      )}
      <div class="pair">
        {modules.map(({ module, direction }, index) => (
          <Figure
            key={module}
            title={direction === 'down' ? 'WG-Down' : 'WG-Up'}
            note={`${module}: mean gate and deviation over ${settings.samples} samples`}
          >
            <LineChart
              label={`Gates of ${module} over t, for the bands LL, LH, HL and HH`}
              x={{ label: 'timestep t: noise at the right, image at the left', min: 0, max: 1000 }}
              y={{ label: 'gate', ...range }}
              series={BANDS.map((band) => seriesOf(band, frames, index))}
            />
          </Figure>
        ))}
      </div>
    </Workbench>
  );
}

const MODELS = [
  ['sd', 'SD'],
  ['own', 'Your own'],
] as const;

/** What the gates of all modules are within, in steps of a tenth: each chart has the same axis. */
function rangeOf(frames: readonly GateFrame[]): { min: number; max: number } {
  const bands = frames.flatMap(({ modules }) => modules.flatMap(({ bands }) => Object.values(bands)));
  const low = Math.min(1, ...bands.map(({ mean, deviation }) => mean - deviation));
  const high = Math.max(0, ...bands.map(({ mean, deviation }) => mean + deviation));
  return { min: Math.max(0, Math.floor(10 * low) / 10), max: Math.min(1, Math.ceil(10 * high) / 10) };
}

function seriesOf({ key, name, dash }: (typeof BANDS)[number], frames: readonly GateFrame[], index: number): Series {
  const values = frames.map(({ modules }) => modules[index].bands[key]);
  return {
    name,
    x: frames.map(({ t }) => t),
    y: values.map(({ mean }) => mean),
    deviation: values.map(({ deviation }) => deviation),
    color: `var(--${key})`,
    ...(dash ? { dash } : {}),
  };
}
